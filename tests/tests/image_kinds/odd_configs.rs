//! Configs whose unused members hold broken Unicode, huge numbers, or deep nesting.

use dray_tests::command::Dray;
use dray_tests::daemon::Generation;
use dray_tests::image::{Blob, Compression, Image};
use dray_tests::on_each_generation;
use serde_json::{Value, json};

use super::{Kind, Pair, layer};

/// An image whose config has `odd` in its history, its environment and an unknown member.
fn image(name: &str, odd: &[u8]) -> Image {
    let image =
        Image::builder("linux/amd64").layer(layer(name, 0, Compression::Gzip)).alter_config(|config| {
            config["history"][0]["created_by"] = json!("ODD");
            config["config"]["Env"] = json!(["ODD"]);
            config["unknown"] = json!("ODD");
        });
    let mut image = image.build();
    let text = String::from_utf8_lossy(&image.config.bytes).into_owned();
    let parts: Vec<&[u8]> = text.split(r#""ODD""#).map(str::as_bytes).collect();
    image.config = Blob::new(image.config.media_type.clone(), parts.join(odd));
    let mut manifest: Value = serde_json::from_slice(&image.manifest.bytes).expect("it was made of a value");
    manifest["config"] = image.config.descriptor();
    image.manifest = Blob::json(&image.manifest.media_type, &manifest);
    image
}

/// dray pulls them as `ctr` does, if `ctr` can, and can read them afterwards.
fn unused_members_of_a_config_may_be_invalid(generation: Generation) {
    let deep = format!("{}1{}", "[".repeat(300), "]".repeat(300));
    let Some(pair) = Pair::start(generation) else { return };
    // `ctr` refuses values that its own types cannot hold.
    for (name, odd, is_text, shown) in [
        ("half a surrogate pair", br#""\udce9""# as &[u8], true, r#""\ufffd""#),
        ("a byte of Latin-1", b"\"caf\xe9\"", true, "\"caf\u{fffd}\""),
        ("null", b"null", true, "null"),
        ("a number too large", b"1e400", false, "1e400"),
        ("300 levels", deep.as_bytes(), false, &deep),
    ] {
        let image = image(name, odd);
        let kind = Kind { name, content: Box::new(image.clone()), image };
        if is_text {
            pair.compare(&kind);
        } else {
            pair.dray(&kind).success();
        }

        let (socket, namespace) = (pair.ours.socket().display().to_string(), Pair::namespace(&kind));
        let dray = Dray::new().args(["--address", &socket, "-n", &namespace]);
        let name = pair.reference(&kind);
        let inspected = dray.run(["image", "inspect", "--format", "json", &name]).success();
        assert!(inspected.stdout.contains(shown), "{inspected}");
        if is_text {
            let image = &inspected.json()["image"];
            assert_eq!(image["rootfs"]["diff_ids"], json!(kind.image.diff_ids), "{inspected}");
        }
        dray.run(["image", "inspect", &name]).success();
        dray.run(["image", "check", &name]).success();
        dray.run(["pull", "--mode", "never", &name]).success();
    }
}

on_each_generation!(unused_members_of_a_config_may_be_invalid);
