//! The limits on what others can make this program do. Each says what it protects and why it has this value.

use std::num::NonZeroUsize;
use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Largest index, manifest or image config, in bytes. Documents are held in memory until they are verified. The
/// distribution specification asks registries to accept manifests of at least 4 MiB. containerd limits the document
/// that a name resolves to at a little more, and documents below an index not at all.
pub const DOCUMENT_BYTES: u64 = (4 * MIB) as u64;

/// Largest body of a token response, in bytes. Real tokens have a few KiB.
pub const TOKEN_BYTES: u64 = (256 * KIB) as u64;

/// Bytes that are read of a registry's error body. More would not help a reader.
pub const ERROR_BODY_BYTES: u64 = (64 * KIB) as u64;

/// Maximum number of header fields in a response. Proxies add some, and a content policy may be split into many. Go
/// limits only their bytes.
pub const HEADER_FIELDS: usize = 1024;

/// Maximum number of redirects for one request. The usual limit of HTTP clients.
pub const REDIRECTS: usize = 10;

/// Maximum nesting of indexes. Real images have one level; a few tools make two.
pub const INDEX_DEPTH: usize = 4;

/// Maximum number of entries in an index. A plugin receives all of them.
pub const INDEX_ENTRIES: usize = 1024;

/// Maximum number of documents that wait in memory and in their ingests until an image is found. An image needs up to
/// six. The others are preceding entries that turned out not to be images.
pub const PENDING_DOCUMENTS: usize = 16;

/// Maximum number of wanted platforms. The interface of platform plugins promises this limit.
pub const WANTED_PLATFORMS: usize = 64;

/// Maximum number of layers in an image. The kernel mounts at most 500 lower directories; Docker stops at 127.
pub const LAYERS: usize = 512;

/// Maximum number of annotations of a descriptor or manifest, and of labels of an image config. A plugin receives all
/// of them. An image with more is refused, because a plugin must not decide on a part.
pub const ANNOTATIONS: usize = 1024;

/// Maximum number of URLs of one blob, for the same reason.
pub const URLS: usize = 64;

/// Default number of parallel downloads of layers, as in Docker and CRI. More do not help on one connection to one
/// registry, and registries answer many parallel requests with 429.
pub const PARALLEL_DOWNLOADS: NonZeroUsize = NonZeroUsize::new(3).unwrap();

/// Head start of the layer that unpacking waits for, before the layers above it are downloaded too. From a near
/// registry, a layer of 50 MB arrives within this time. From a distant one, the delay is not noticeable.
pub const HEAD_START: Duration = Duration::from_millis(300);

/// Maximum number of tries for one request, including the first.
pub const REQUEST_TRIES: u32 = 4;

/// How often a blob's source is reopened without progress before the fetch fails.
pub const FRUITLESS_RESUMES: u32 = 3;

/// Pause before the first retry of a request; each further pause doubles. Three pauses give a process time to
/// restart; one pause is not noticeable.
pub const FIRST_RETRY_PAUSE: Duration = Duration::from_millis(250);

/// Longest pause before a retry. If a registry demands more, the pull fails with an error that states the wait, and
/// does not seem to hang.
pub const RETRY_PAUSE: Duration = Duration::from_secs(30);

/// Limit for establishing a connection.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a read from a registry may stay without a byte. It limits silence, not the whole transfer, so that a slow
/// transfer never fails.
pub const STALL_TIMEOUT: Duration = Duration::from_mins(1);

/// Size of a message with blob bytes to containerd, as in the Go client. containerd accepts 16 MiB.
pub const CONTENT_CHUNK_BYTES: usize = MIB;

/// Size of the first such message of a blob; later messages double up to the full size. A blob that fits into one
/// large message would otherwise be sent only when it has arrived as a whole.
pub const CONTENT_FIRST_CHUNK_BYTES: usize = 64 * KIB;

/// Maximum number of messages with blob bytes that containerd has not confirmed. Hides the latency. Together with the
/// number of downloads and the message size it limits memory.
pub const CONTENT_CHUNKS_IN_FLIGHT: usize = 4;

/// Largest gRPC message from containerd, the server's own default.
pub const GRPC_MESSAGE_BYTES: usize = 16 * MIB;

/// Limit for establishing the connection to containerd.
pub const DAEMON_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Time in which a snapshotter that is another process must answer a question that needs no work. A daemon that is alive
/// answers in milliseconds.
pub const SNAPSHOTTER_PROBE_TIMEOUT: Duration = Duration::from_secs(10);

/// Time for which a snapshotter that cannot be reached is asked again. A daemon that is restarted is back after 1 to 2 s,
/// and containerd connects to it at most 3 s later.
pub const SNAPSHOTTER_RESTART: Duration = Duration::from_secs(3);

/// Time after which, and then again and again, the user is told that a snapshotter is being waited for.
pub const SNAPSHOTTER_SILENCE: Duration = Duration::from_secs(5);

/// Limit for calls that take containerd little work, such as reading or writing a record. They take milliseconds, and
/// some seconds with a busy disk or during garbage collection. The kubelet gives the same time to every call that is
/// not a pull.
pub const DAEMON_CALL_TIMEOUT: Duration = Duration::from_mins(2);

/// How often containerd is asked whether it still answers, during calls of unlimited duration: unpacking a layer,
/// preparing, committing or removing a snapshot, taking in a blob.
pub const DAEMON_PULSE: Duration = Duration::from_secs(10);

/// Largest label in containerd, key and value together, in bytes.
pub const LABEL_BYTES: usize = 4096;

/// Expiry of a lease, for a process that dies. Longer than any pull, as in the Go client.
pub const LEASE_EXPIRY: Duration = Duration::from_hours(24);

/// How many times a snapshot is prepared while the snapshotter says both that it exists and that it does not.
pub const PREPARE_TRIES: u32 = 3;

/// How often unpacking restarts at the bottom because a layer below was collected in the meantime. Once is rare; more
/// often means another fault.
pub const UNPACK_RESTARTS: u32 = 2;

/// Limit for all clean-up, from a failure or cancellation to the end of the pull. The daemon may be the reason for
/// the failure, so clean-up cannot wait forever. What is left then expires with the lease.
pub const CLEANUP_TIMEOUT: Duration = Duration::from_secs(15);

/// The part of it after which every step but the last, the release of the lease, is abandoned. The release matters
/// most, because it removes what the other steps could not. With many files on a slow disk it takes a second or two.
pub const CLEANUP_STEPS_TIMEOUT: Duration = Duration::from_secs(10);

/// Largest docker configuration file, in bytes.
pub const DOCKER_CONFIG_BYTES: u64 = MIB as u64;

/// Largest `hosts.toml`, in bytes. Real ones have less than one KiB.
pub const HOSTS_FILE_BYTES: u64 = (256 * KIB) as u64;

/// Maximum number of mirrors in one `hosts.toml`. In the worst case each is asked for every blob.
pub const REGISTRY_HOSTS: usize = 64;

/// Maximum number of files in a directory of certificates.
pub const CERTIFICATE_FILES: usize = 1024;

/// Largest file with certificates or a key, in bytes. The bundle of a distribution has about 230 KiB.
pub const CERTIFICATE_BYTES: u64 = (4 * MIB) as u64;

/// How long a server that failed is asked only after all others. Long enough not to wait for a dead mirror with every
/// layer, short enough to return to a mirror that was restarted during the pull.
pub const HOST_REST: Duration = Duration::from_mins(1);

/// Maximum number of registries whose servers, tokens, connections and failures a client remembers. No machine pulls
/// from as many. The limit keeps a program that receives names from others from growing without bound. Forgotten
/// facts are found out again.
pub const REMEMBERED_REGISTRIES: usize = 256;

/// Maximum number of repositories per server whose authorization is remembered: a few MiB of tokens.
pub const REMEMBERED_REPOSITORIES: usize = 1024;

/// Maximum number of redirect targets per server whose authorization is remembered. Most redirects lead to storage
/// without authorization.
pub const REMEMBERED_REDIRECTS: usize = 16;

/// Maximum number of blobs whose senders are remembered, and of wrong blobs remembered per server. Far more than a
/// client downloads at a time.
pub const REMEMBERED_BLOBS: usize = 4096;

/// Limit for the first byte of a response if another server can be asked. A cache that has to ask the registry needs
/// some of it.
pub const HURRIED_SILENCE: Duration = Duration::from_secs(30);

/// Limit for a TLS connection if plain HTTP is tried next, as in containerd.
pub const AMBIGUOUS_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Bytes of registry warnings that are logged.
pub const WARNING_BYTES: usize = 4 * KIB;

/// Bytes of `WWW-Authenticate` fields that are read per response. Most have 200; a Kerberos ticket may have 12 KiB.
pub const CHALLENGE_BYTES: usize = 32 * KIB;

/// How long a credential helper may take. Long enough to type a password, short enough not to seem to hang.
pub const CREDENTIAL_HELPER_TIMEOUT: Duration = Duration::from_secs(30);

/// Largest answer of a credential helper, in bytes. Secrets are tokens of a few KiB at most.
pub const CREDENTIAL_HELPER_BYTES: u64 = (64 * KIB) as u64;

/// Largest component, in bytes. Components in Rust have 50 to 600 KiB, those with a JavaScript engine up to 12 MiB,
/// those with Python 18 MiB, and several times as much with its libraries. Reading one with Python takes 0.2 s and 50
/// MiB, compiling it 15 s and 340 MiB. Anything that takes longer has its own limit below.
pub const COMPONENT_BYTES: u64 = (64 * MIB) as u64;

/// Maximum nesting of components and modules. Toolchains make two levels, and each composition adds one.
pub const COMPONENT_DEPTH: u64 = 16;

/// Maximum nesting of types, through any kind of reference, because the validator recurses. Real interfaces have
/// about ten levels. The validator's own limit, which it does not enforce everywhere, is 100.
pub const COMPONENT_TYPE_DEPTH: u64 = 64;

/// Maximum number of declarations in a component: types with their fields and parameters, imports, exports, segments
/// of tables. The validator keeps up to 400 bytes for each. A component with a JavaScript engine has 1,300.
pub const COMPONENT_DECLARATIONS: u64 = 100_000;

/// Total length of the names of all imports and exports of a component, in bytes. They are copied a few times.
pub const COMPONENT_NAME_BYTES: u64 = (4 * MIB) as u64;

/// Maximum number of parts of all types of a component, counted at each use, because the validator copies and
/// compares them there: up to 120 bytes and half a microsecond each. Dray's own have 13,000.
pub const COMPONENT_TYPE_USES: u64 = 500_000;

/// Maximum number of globals in a component. The compiler's numbers for places in an instance end at 66,000 globals.
/// A component with a JavaScript engine has seven.
pub const COMPONENT_GLOBALS: u64 = 20_000;

/// Maximum number of data segments that are not merged into one image of the memory. The compiler makes code for
/// each, which takes 20 KiB meanwhile; 10,000 take three seconds. The segments of toolchains are merged: Go's
/// component has 38,000.
pub const COMPONENT_SEGMENTS: u64 = 10_000;

/// Maximum number of modules in a component. The table and the memory of each are laid out during compilation. A
/// component with Python has 14.
pub const COMPONENT_MODULES: u64 = 64;

/// Maximum number of memories that the modules of a component define. The initial contents of each may become an
/// image of 16 MiB.
pub const COMPONENT_MEMORIES: u64 = 16;

/// Total number of initial table entries in a component, which are laid out during compilation. More than its tables
/// may have at run time. Components with an engine have about 8,000.
pub const COMPONENT_TABLE_ELEMENTS: u64 = 500_000;

/// Maximum number of functions in a component. Each has a fixed cost, and its binary form may have four bytes.
/// Components with a JavaScript or Python engine have 13,000.
pub const COMPONENT_FUNCTIONS: u64 = 100_000;

/// Maximum number of locals of a function, the validator's own limit.
pub const FUNCTION_LOCALS: u64 = 50_000;

/// Maximum number of values that the blocks of a function hold, summed over its blocks. The compiler takes up to 800
/// bytes and some microseconds for each. The largest function of a JavaScript engine has 740,000.
pub const FUNCTION_WORK: u64 = 1_500_000;

/// The same for all functions of a component. Those with a JavaScript engine have 15 million.
pub const COMPONENT_WORK: u64 = 32_000_000;

/// Maximum number of parts of a component after each instance is replaced by its definition, as the runtime does
/// during compilation. Components with Python have 6,000.
pub const COMPONENT_ITEMS: u64 = 50_000;

/// Maximum number of languages and tools that are shown of a component's producers. Composed components name a dozen.
pub const PLUGIN_PRODUCERS: usize = 64;

/// Memory that reading a component may take in addition to its bytes, in a process of its own. A component with a
/// JavaScript engine takes 20 MiB, one at the limits above up to 60 MiB.
pub const READ_MEMORY_BYTES: u64 = (96 * MIB) as u64;

/// CPU time that reading a component may take, in a process of its own, in whole seconds. One with a JavaScript
/// engine takes a third of a second, and twenty times as long in a debug build.
pub const READ_TIME: Duration = Duration::from_secs(2);

/// Largest description of a component that such a process may return, in bytes: all names within the limits, with
/// their descriptions.
pub const READ_ANSWER_BYTES: u64 = (32 * MIB) as u64;

/// Memory that compiling a component may take, in bytes, in a process of its own. One with a JavaScript engine takes
/// 380 MiB with two threads, dray's own take 20 MiB.
pub const COMPILE_MEMORY_BYTES: u64 = (1024 * MIB) as u64;

/// Time that compiling a component may take, in a process of its own. One with a JavaScript engine takes 10 s on two
/// cores, and 40 s if five others compete for them.
pub const COMPILE_TIMEOUT: Duration = Duration::from_mins(2);

/// Time that a plugin may take to load before the user is told. Loading compiled code takes milliseconds, and compiling
/// what a Rust toolchain makes takes less than a second.
pub const SILENT_LOADING: Duration = Duration::from_secs(2);

/// Number of compiling threads in such a process. Each may hold a function of the largest kind at the same time.
pub const COMPILE_THREADS: usize = 4;

/// Linear memory of a plugin, in bytes: all that it has together. A plan for 512 layers needs about 2 MiB, a Python
/// interpreter starts with 20.
pub const PLUGIN_MEMORY_BYTES: usize = 64 * MIB;

/// Linear memories of one plugin, of which each takes 4 GiB of address space. Composed components have one per part;
/// a toolchain that answers WASI by itself makes three.
pub const PLUGIN_MEMORIES: usize = 8;

/// Tables of one plugin.
pub const PLUGIN_TABLES: usize = 16;

/// Entries of one table of a plugin.
pub const PLUGIN_TABLE_ELEMENTS: usize = 20_000;

/// Core instances inside one component. Toolchains make a handful.
pub const PLUGIN_INSTANCES: usize = 32;

/// Stack of a plugin, in bytes, wasmtime's default.
pub const PLUGIN_STACK_BYTES: usize = 512 * KIB;

/// Handles that a plugin may hold at one time.
pub const PLUGIN_HANDLES: usize = 1024;

/// Bytes that one crossing of the plugin boundary may make the host allocate: the largest list or string
/// that a plugin can pass in.
pub const PLUGIN_CROSSING_BYTES: usize = 8 * MIB;

/// Time between two ticks of the clock that interrupts plugins.
pub const PLUGIN_TICK: Duration = Duration::from_millis(10);

/// Ticks of guest code that one call may take: half a second of pure computation, where the plugins that
/// come with dray need less than one tick.
pub const PLUGIN_TICKS: u64 = 50;

/// Wall-clock time of one call, host functions included. Guest code that never calls the host is ended by
/// the ticks long before.
pub const PLUGIN_CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest line that a plugin may log, in bytes.
pub const PLUGIN_LOG_LINE_BYTES: usize = 4 * KIB;

/// Bytes that a plugin may log in one call.
pub const PLUGIN_LOG_BYTES: usize = 64 * KIB;

/// Lines that a plugin may log in one call.
pub const PLUGIN_LOG_LINES: usize = 256;

/// Warnings and errors of a plugin in one call that are logged as such. They reach a terminal without being asked
/// for; what comes after them is logged as information, and counted.
pub const PLUGIN_LOUD_LINES: usize = 3;

/// Longest line among those, in bytes: about three rows of a terminal.
pub const PLUGIN_LOUD_LINE_BYTES: usize = 240;

/// Random bytes that a plugin gets at once, in bytes. Seeds have 32; the host's own time is not under the
/// plugin's clock.
pub const PLUGIN_RANDOM_BYTES: u64 = (64 * KIB) as u64;

/// Size of the store of compiled plugins above which the least recently used are removed, in bytes.
pub const COMPILED_STORE_BYTES: u64 = (256 * MIB) as u64;
