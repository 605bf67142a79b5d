//! The texts of the command line, word for word. These runs need no daemon, no registry and no plugin.

use dray_tests::command::Dray;
use dray_tests::terminal::Screen;
use insta::assert_snapshot;

fn run(arguments: &[&str]) -> String {
    Dray::new().run(arguments).to_string()
}

#[test]
fn dray_without_a_command_prints_the_help() {
    assert_snapshot!(run(&[]), @r"
    exit code: 2
    --- stdout
    --- stderr
    Pull container images into containerd

    Usage: dray [OPTIONS] <COMMAND>

    Commands:
      pull         Pull an image and unpack it into a snapshotter
      resolve      Resolve the name of an image to a digest, at its registry
      image        Show, check and complete the images in containerd
      plugin       Show plugins
      reference    Show how dray reads names of images
      platform     Show how dray reads and chooses platforms
      registry     Show and test the access to registries
      config       Show the configuration
      version      Print the version; with --verbose, also the versions of interfaces and plugins
      completions  Print completions for a shell
      man          Print a manual page

    Options:
      -h, --help     Print help (see more with '--help')
      -V, --version  Print version

    Global options:
      -a, --address <SOCKET>    Connect to containerd at this socket [env: CONTAINERD_ADDRESS] [default:
                                /run/containerd/containerd.sock]
      -n, --namespace <NAME>    Use this namespace of containerd [env: CONTAINERD_NAMESPACE] [default:
                                default]
          --snapshotter <NAME>  Unpack into this snapshotter; `auto` lets the image decide [env:
                                CONTAINERD_SNAPSHOTTER] [default: that of the namespace, else overlayfs]
          --config <FILE>       Read only this configuration file, not the user's and the system's [env:
                                DRAY_CONFIG]
      -v, --verbose...          Log more: once for information, twice for debugging, three times for
                                everything
          --color <WHEN>        Use colours; `auto` means on a terminal, unless NO_COLOR is set
                                [default: auto] [possible values: auto, always, never]
    ");
}

#[test]
fn the_help_of_pull_is_complete() {
    assert_snapshot!(run(&["pull", "-h"]), @r"
    exit code: 0
    --- stdout
    Pull an image and unpack it into a snapshotter

    Usage: dray pull [OPTIONS] <REF>

    Arguments:
      <REF>  The image: a short name as in Docker, a full name, or a name with `@` and a digest; with
             `--mode missing` or `never` also the digest of an image in containerd, or its beginning

    Options:
          --mode <WHEN>
              When to ask the registry: `missing` means only if containerd lacks the complete image for
              the wanted platform; `never` uses only the image in containerd [default: always] [possible
              values: always, missing, never]
          --platform <OS/ARCH[/VARIANT]>
              Pull this platform; may be repeated, or list several with commas [default: that of this
              machine]
          --all-platforms
              Use every platform that the image offers
          --attestations
              With --all-platforms, include attestations and other entries of unknown platform
          --unpack <WHEN>
              Unpack the image; `auto` means if exactly one platform is pulled [default: auto] [possible
              values: auto, true, false]
          --plugin <KIND=NAME|FILE>
              Use this plugin for its kind, `snapshotter` or `platform`: the name of a configured or
              embedded plugin, or the file of a component
          --plugin-config <KIND=JSON>
              Configure the plugin of this kind; `dray plugin inspect --describe` shows the schema
          --keep-blobs
              Fetch the blobs of layers too that a lazy snapshotter provides, so that the image can be
              pushed and saved
          --verify-snapshot
              Read the root of the image at the end, as a container would. A plugin whose snapshotter
              answers without looking at a layer asks for it in any case
          --soci-index-digest <DIGEST>
              Use this SOCI index, where plugin `soci` plans; without it, the snapshotter looks for one
          --max-concurrent-downloads <NUMBER>
              Download this many layers in parallel [default: 3]
      -q, --quiet
              Print only the name of the image in normal form
          --format <FORM>
              Print the result in this format [default: text] [possible values: text, json]
          --timings
              Print timings on standard error; the JSON report always has them
          --plain-http
              Use plain HTTP with registries for which no `hosts.toml` names a server
          --insecure-registry
              Accept any certificate of a registry, and use plain HTTP with registries that do not speak
              TLS; settings in a `hosts.toml` come first
          --hosts-dir <DIR>
              Look for the `hosts.toml` or the certificates of a registry below DIR; may be repeated,
              and replaces the directories of the system [default: /etc/containerd/certs.d and
              /etc/docker/certs.d, for users other than root containerd/certs.d and docker/certs.d in
              ~/.config]
      -h, --help
              Print help (see more with '--help')

    Global options:
      -a, --address <SOCKET>    Connect to containerd at this socket [env: CONTAINERD_ADDRESS] [default:
                                /run/containerd/containerd.sock]
      -n, --namespace <NAME>    Use this namespace of containerd [env: CONTAINERD_NAMESPACE] [default:
                                default]
          --snapshotter <NAME>  Unpack into this snapshotter; `auto` lets the image decide [env:
                                CONTAINERD_SNAPSHOTTER] [default: that of the namespace, else overlayfs]
          --config <FILE>       Read only this configuration file, not the user's and the system's [env:
                                DRAY_CONFIG]
      -v, --verbose...          Log more: once for information, twice for debugging, three times for
                                everything
          --color <WHEN>        Use colours; `auto` means on a terminal, unless NO_COLOR is set
                                [default: auto] [possible values: auto, always, never]

    Examples:
      dray pull debian:12
      dray pull --platform linux/arm64 ghcr.io/example/app:1.4
      dray pull --platform linux/amd64,linux/arm64 debian:12
      dray pull --mode missing debian:12
      dray -n k8s.io pull registry.example.com/team/app@sha256:4b1d…
      dray pull --format json debian:12 | jq .totals
      dray pull --snapshotter auto ghcr.io/example/app:1.4-esgz
      dray pull --plugin snapshotter=./mine.wasm --snapshotter mine debian:12
    --- stderr
    ");
}

#[test]
fn the_help_of_plugin_commands_is_complete() {
    assert_snapshot!(run(&["plugin", "ls", "-h"]), @r"
    exit code: 0
    --- stdout
    List the embedded plugins

    Usage: dray plugin ls [OPTIONS]

    Options:
          --format <FORM>  Print the list in this format [default: text] [possible values: text, json]
      -h, --help           Print help (see more with '--help')

    Global options:
      -a, --address <SOCKET>    Connect to containerd at this socket [env: CONTAINERD_ADDRESS] [default:
                                /run/containerd/containerd.sock]
      -n, --namespace <NAME>    Use this namespace of containerd [env: CONTAINERD_NAMESPACE] [default:
                                default]
          --snapshotter <NAME>  Unpack into this snapshotter; `auto` lets the image decide [env:
                                CONTAINERD_SNAPSHOTTER] [default: that of the namespace, else overlayfs]
          --config <FILE>       Read only this configuration file, not the user's and the system's [env:
                                DRAY_CONFIG]
      -v, --verbose...          Log more: once for information, twice for debugging, three times for
                                everything
          --color <WHEN>        Use colours; `auto` means on a terminal, unless NO_COLOR is set
                                [default: auto] [possible values: auto, always, never]
    --- stderr
    ");
    assert_snapshot!(run(&["plugin", "inspect", "--help"]), @r"
    exit code: 0
    --- stdout
    Show what a plugin is and which interfaces it imports, without running it by default

    A component can call only its imports. They are shown in groups: those that every plugin gets, those
    that an operator must grant, those that the toolchain added and that have no effect, and those that
    this program does not have

    Usage: dray plugin inspect [OPTIONS] <FILE|NAME>

    Arguments:
      <FILE|NAME>
              Name of an embedded plugin, or a file

    Options:
          --describe
              Also run it, in the sandbox and within the usual limits, and show its own description:
              version, purpose, and the JSON Schema of its configuration

          --format <FORM>
              Print in this format

              Possible values:
              - text: For users
              - json: JSON for programs; an error is then one JSON object, the last line on standard
                error
              
              [default: text]

      -h, --help
              Print help (see a summary with '-h')

    Global options:
      -a, --address <SOCKET>
              Connect to containerd at this socket [env: CONTAINERD_ADDRESS] [default:
              /run/containerd/containerd.sock]

      -n, --namespace <NAME>
              Use this namespace of containerd [env: CONTAINERD_NAMESPACE] [default: default]

          --snapshotter <NAME>
              Unpack into this snapshotter; `auto` lets the image decide [env: CONTAINERD_SNAPSHOTTER]
              [default: that of the namespace, else overlayfs]

          --config <FILE>
              Read only this configuration file, not the user's and the system's [env: DRAY_CONFIG]

      -v, --verbose...
              Log more: once for information, twice for debugging, three times for everything

          --color <WHEN>
              Use colours; `auto` means on a terminal, unless NO_COLOR is set
              
              [default: auto]
              [possible values: auto, always, never]

    Examples:
      dray plugin inspect overlayfs
      dray plugin inspect ./mine.wasm
      dray plugin inspect --describe overlayfs
    --- stderr
    ");
}

#[test]
fn the_version_names_program_and_interface() {
    assert_snapshot!(run(&["version"]), @r#"
    exit code: 0
    --- stdout
    dray 0.1.0
    --- stderr
    "#);
    assert_snapshot!(run(&["--version"]), @r#"
    exit code: 0
    --- stdout
    dray 0.1.0
    --- stderr
    "#);
}

#[test]
fn a_bad_reference_is_refused() {
    assert_snapshot!(run(&["pull", "Debian"]), @r#"
    exit code: 2
    --- stdout
    --- stderr
    error: cannot read the image reference
      1: repository name `library/Debian` must be lower case
    hint: a reference looks like `debian`, `debian:12` or `registry.example.com/team/app@sha256:…`
    "#);
    assert_snapshot!(run(&["pull", "debian:-x"]), @r#"
    exit code: 2
    --- stdout
    --- stderr
    error: cannot read the image reference
      1: `debian:-x` is not a valid image reference
    hint: a reference looks like `debian`, `debian:12` or `registry.example.com/team/app@sha256:…`
    "#);
    assert_snapshot!(run(&["pull", "--", "--help"]), @r#"
    exit code: 2
    --- stdout
    --- stderr
    error: cannot read the image reference
      1: `--help` is not a valid image reference
    hint: a reference looks like `debian`, `debian:12` or `registry.example.com/team/app@sha256:…`
    "#);
}

#[test]
fn a_missing_reference_is_refused() {
    assert_snapshot!(run(&["pull"]), @r#"
    exit code: 2
    --- stdout
    --- stderr
    error: the following required arguments were not provided:
      <REF>

    Usage: dray pull <REF>

    For more information, try '--help'.
    "#);
}

#[test]
fn a_bad_platform_is_refused() {
    assert_snapshot!(run(&["pull", "--platform", "linux/*", "debian"]), @r#"
    exit code: 2
    --- stdout
    --- stderr
    error: cannot read the value of `--platform`
      1: platform `linux/*` has a wildcard, which is not supported
    hint: a platform looks like `linux/amd64` or `linux/arm/v7`
    "#);
    assert_snapshot!(run(&["pull", "--platform", "", "debian"]), @r#"
    exit code: 2
    --- stdout
    --- stderr
    error: the platform is empty
    "#);
}

#[test]
fn a_bad_plugin_is_refused() {
    assert_snapshot!(run(&["pull", "--plugin", "mine.wasm", "debian"]), @r#"
    exit code: 2
    --- stdout
    --- stderr
    error: `--plugin mine.wasm` is not of the form `KIND=NAME|FILE`
    "#);
    assert_snapshot!(run(&["pull", "--plugin", "policy=mine.wasm", "debian"]), @r#"
    exit code: 2
    --- stdout
    --- stderr
    error: `--plugin`: there is no plugin kind `policy`, only `snapshotter` and `platform`
    "#);
    assert_snapshot!(run(&["pull", "--plugin", "platform=a.wasm", "--plugin", "platform=b.wasm", "debian"]), @r#"
    exit code: 2
    --- stdout
    --- stderr
    error: `--plugin` is given twice for plugin kind `platform`
    "#);
    assert_snapshot!(run(&["pull", "--plugin-config", "platform={", "debian"]), @r#"
    exit code: 2
    --- stdout
    --- stderr
    error: `--plugin-config`: the configuration of the platform plugin is not valid JSON
      1: EOF while parsing an object at line 1 column 1
    "#);
}

#[test]
fn a_missing_socket_is_an_error_with_hints() {
    assert_snapshot!(run(&["-a", "missing.sock", "pull", "debian"]), @r#"
    exit code: 9
    --- stdout
    --- stderr
    error: cannot connect to containerd at `missing.sock`
      1: No such file or directory (os error 2)
    hint: check that containerd runs, for example with `systemctl status containerd`
    hint: if it uses another socket, pass it with `--address` or `CONTAINERD_ADDRESS`
    "#);
    assert_snapshot!(run(&["--address", "unix://missing.sock", "pull", "--quiet", "debian"]), @r#"
    exit code: 9
    --- stdout
    --- stderr
    error: cannot connect to containerd at `missing.sock`
      1: No such file or directory (os error 2)
    hint: check that containerd runs, for example with `systemctl status containerd`
    hint: if it uses another socket, pass it with `--address` or `CONTAINERD_ADDRESS`
    "#);
}

#[test]
fn a_bad_address_or_namespace_is_refused() {
    assert_snapshot!(run(&["--address", "", "pull", "debian"]), @r#"
    exit code: 2
    --- stdout
    --- stderr
    error: the address of containerd is empty
    "#);
    assert_snapshot!(run(&["--address", "tcp://1.2.3.4:5", "pull", "debian"]), @r#"
    exit code: 2
    --- stdout
    --- stderr
    error: cannot connect to containerd at `tcp://1.2.3.4:5`
      1: only the path of a unix socket is an address
    "#);
    assert_snapshot!(run(&["-n", "a b", "pull", "debian"]), @r#"
    exit code: 2
    --- stdout
    --- stderr
    error: cannot use namespace `a b`
      1: a namespace has 1 to 76 characters: letters and digits, and between two of them a single `.`, `_` or `-`
    "#);
}

#[test]
fn errors_are_json_on_request() {
    assert_snapshot!(run(&["-a", "missing.sock", "pull", "--format", "json", "debian"]), @r#"
    exit code: 9
    --- stdout
    --- stderr
    {"error":{"kind":"containerd","message":"cannot connect to containerd at `missing.sock`","causes":["No such file or directory (os error 2)"],"hints":["check that containerd runs, for example with `systemctl status containerd`","if it uses another socket, pass it with `--address` or `CONTAINERD_ADDRESS`"]}}
    "#);
    assert_snapshot!(run(&["pull", "--format", "json", "--nonsense", "debian"]), @r#"
    exit code: 2
    --- stdout
    --- stderr
    {"error":{"kind":"usage","message":"unexpected argument '--nonsense' found","causes":[],"hints":["to pass '--nonsense' as a value, use '-- --nonsense'"]}}
    "#);
    assert_snapshot!(run(&["pull", "--quiet", "--format", "json", "debian"]), @r#"
    exit code: 2
    --- stdout
    --- stderr
    {"error":{"kind":"usage","message":"the argument '--quiet' cannot be used with '--format <FORM>'","causes":[],"hints":[]}}
    "#);
}

/// The digest changes with every build of the component.
#[test]
fn the_readme_shows_the_embedded_plugin() {
    let inspected = Dray::new().run(["plugin", "inspect", "overlayfs"]).success().stdout;
    let readme = include_str!("../../README.md");
    assert!(
        readme.contains(&inspected),
        "README.md has another output of `dray plugin inspect overlayfs`:\n{inspected}"
    );
}

#[test]
fn a_missing_manual_page_is_an_error() {
    assert_snapshot!(run(&["man", "plugin", "missing"]), @r#"
    exit code: 2
    --- stdout
    --- stderr
    error: there is no command `plugin missing`
    "#);
}

#[test]
fn a_manual_page_says_more_than_the_help() {
    let page = Dray::new().run(["man", "pull"]).success().stdout;
    for section in ["OPTIONS", "\"EXIT STATUS\"", "ENVIRONMENT"] {
        assert!(page.contains(&format!(".SH {section}\n")), "no {section} in\n{page}");
    }
}

/// Other tests cover the wording for a faulty file. This one checks that the command line is named as the cause.
#[test]
fn a_missing_plugin_is_an_error() {
    let run = Dray::new().run(["pull", "--plugin", "platform=missing.wasm", "debian"]).failure(2);
    assert!(run.stderr.contains("missing.wasm"), "{run}");
    let run = Dray::new().run(["plugin", "inspect", "missing.wasm"]).failure(2);
    assert!(run.stderr.contains("missing.wasm"), "{run}");
    assert!(
        run.stderr.ends_with(
            "hint: `dray plugin ls` lists the names of embedded plugins
"
        ),
        "{run}"
    );
}

#[test]
fn variables_replace_options() {
    let dray = Dray::new().env("CONTAINERD_ADDRESS", "variable.sock");
    let message =
        |arguments: &[&str]| dray.run(arguments).failure(9).stderr.lines().next().map(str::to_owned);
    let expected = |name: &str| Some(format!("error: cannot connect to containerd at `{name}`"));
    assert_eq!(message(&["pull", "debian"]), expected("variable.sock"));
    assert_eq!(message(&["pull", "-a", "option.sock", "debian"]), expected("option.sock"));
    let dray = Dray::new().env("CONTAINERD_NAMESPACE", "a b");
    dray.run(["pull", "debian"]).failure(2);
    dray.run(["-n", "a", "-a", "missing.sock", "pull", "debian"]).failure(9);
}

#[test]
fn colours_follow_the_option_and_the_variables() {
    let wrong: [&[&str]; 2] = [&["pull", "Debian"], &["pull", "--nonsense"]];
    for arguments in wrong {
        let stderr = |dray: Dray| dray.run(arguments).failure(2).stderr;
        assert!(!stderr(Dray::new()).contains('\u{1b}'));
        assert!(stderr(Dray::new().args(["--color", "always"])).contains('\u{1b}'));
        let on_terminal = |dray: Dray| dray.spawn_on_terminal(arguments, Screen::default()).wait().1;
        assert!(on_terminal(Dray::new()).contains('\u{1b}'));
        assert!(!on_terminal(Dray::new().env("NO_COLOR", "1")).contains('\u{1b}'));
        assert!(on_terminal(Dray::new().env("NO_COLOR", "1").args(["--color=always"])).contains('\u{1b}'));
        assert!(!on_terminal(Dray::new().args(["--color=never"])).contains('\u{1b}'));
    }
}

/// The generated output is long and follows the definition, so the test only checks that it exists.
#[test]
fn completions_and_manual_pages_are_generated() {
    for (arguments, expected) in [
        (&["completions", "bash"][..], "_dray()"),
        (&["completions", "zsh"], "#compdef dray"),
        (&["completions", "fish"], "complete -c dray"),
        (&["man"], ".TH DRAY 1"),
        (&["man", "pull"], ".TH DRAY-PULL 1"),
        (&["man", "plugin", "inspect"], ".TH DRAY-PLUGIN-INSPECT 1"),
    ] {
        let run = Dray::new().run(arguments).success();
        assert!(run.stdout.contains(expected), "{arguments:?}: {run}");
        assert_eq!(run.stderr, "");
    }
}

#[test]
fn a_closed_pipe_is_no_error_and_a_full_disk_is_one() {
    let shell = |script: &str| {
        let mut command = std::process::Command::new("sh");
        command.env_clear().env("PATH", "/usr/bin:/bin").env("DRAY", dray_tests::tools::dray());
        command.args(["-c", script]).output().expect("a shell can be started")
    };
    // The reader is gone before the first byte: the program starts after the pipe has lost its other end.
    let early = shell(r#"{ sleep 0.2; "$DRAY" completions bash; echo "code $?" >&2; } | :"#);
    assert_eq!(String::from_utf8_lossy(&early.stderr), "code 0\n");
    let full = shell(r#""$DRAY" version > /dev/full"#);
    assert_eq!(full.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&full.stderr).starts_with("error: cannot write to standard output\n"));
}

#[test]
fn references_are_printed_as_json_lines() {
    let names = ["debian", "debian:12@sha256:DIGEST", "-x", "localhost:5000/a/b:1"];
    let names = names.map(|name| name.replace("DIGEST", &"a".repeat(64)));
    let [a, b, c, d] = names.each_ref().map(String::as_str);
    let printed = run(&["reference", "--format", "json", "--", a, b, c, d]);
    assert_snapshot!(printed.replace(&"a".repeat(64), "DIGEST"), @r#"
    exit code: 2
    --- stdout
    {"canonical":"docker.io/library/debian:latest","digest":null,"domain":"docker.io","familiar":"debian","input":"debian","path":"library/debian","repo_tag":["debian","latest"],"repository":"docker.io/library/debian","tag":null}
    {"canonical":"docker.io/library/debian@sha256:DIGEST","digest":"sha256:DIGEST","domain":"docker.io","familiar":"debian:12@sha256:DIGEST","input":"debian:12@sha256:DIGEST","path":"library/debian","repo_tag":["debian",""],"repository":"docker.io/library/debian","tag":"12"}
    {"error":"`-x` is not a valid image reference","input":"-x"}
    {"canonical":"localhost:5000/a/b:1","digest":null,"domain":"localhost:5000","familiar":"localhost:5000/a/b:1","input":"localhost:5000/a/b:1","path":"a/b","repo_tag":["localhost:5000/a/b","1"],"repository":"localhost:5000/a/b","tag":"1"}
    --- stderr
    {"error":{"kind":"usage","message":"1 of 4 names refused","causes":[],"hints":[]}}
    "#);
}

#[test]
fn references_are_printed_as_text() {
    assert_snapshot!(run(&["reference", "debian", "ghcr.io/example/app:1"]), @r"
    exit code: 0
    --- stdout
    docker.io/library/debian:latest
    ghcr.io/example/app:1
    --- stderr
    ");
}

#[test]
fn the_help_of_image_commands_is_complete() {
    // Options shared with other commands are tested there.
    let help = |command: &[&str]| {
        let text = Dray::new().run([command, &["-h"]].concat()).success().stdout;
        text.split("Global options:").next().unwrap_or_default().to_owned()
    };
    assert_snapshot!(help(&["image"]), @r"
    Show, check and complete the images in containerd

    Usage: dray image [OPTIONS] <COMMAND>

    Commands:
      ls       List images, with what they lack
      inspect  Show the contents of an image
      size     Print the size of an unpacked image
      check    List missing and damaged blobs and snapshots of an image
      fetch    Fetch missing and damaged blobs of an image
      explain  Show what each snapshotter would make of an image

    Options:
      -h, --help  Print help (see more with '--help')
    ");
}

#[test]
fn image_commands_without_containerd_fail() {
    for command in [&["ls"][..], &["inspect", "x"], &["size", "x"], &["check", "--", "--all-platforms"]] {
        let run = Dray::new().run([&["-a", "missing.sock", "image"], command].concat()).failure(9);
        assert!(run.stderr.starts_with("error: cannot connect to containerd at `missing.sock`"), "{run}");
    }
    let run = Dray::new().run(["image", "check", "--platform", "linux/*", "x"]).failure(2);
    assert!(run.stderr.starts_with("error: cannot read the value of `--platform`"), "{run}");
    Dray::new().run(["image", "inspect", "--raw", "config", "--format", "json", "x"]).failure(2);
}
