//! The bounds on what others can make this program do, each with what it protects and why it has this size.

use std::num::NonZeroUsize;
use std::time::Duration;

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

/// Largest index, manifest or image config that is read, in bytes. They are held in memory while they are
/// verified. The distribution specification asks registries to take manifests of at least 4 MiB. containerd stops a
/// little above that at what a name stands for, and has no bound for what is below an index.
pub const DOCUMENT_BYTES: u64 = (4 * MIB) as u64;

/// Largest body of a token response, in bytes. Tokens of real registries have a few KiB.
pub const TOKEN_BYTES: u64 = (256 * KIB) as u64;

/// How much of a registry's error body is read, in bytes. The rest is of no use to a reader.
pub const ERROR_BODY_BYTES: u64 = (64 * KIB) as u64;

/// Header fields of an answer. Proxies add some, and a content policy may be cut into many; Go has no bound but one
/// for their bytes.
pub const HEADER_FIELDS: usize = 1024;

/// How many redirects are followed for one request. The usual bound of HTTP clients.
pub const REDIRECTS: usize = 10;

/// Deepest nesting of indexes that is followed. Real images have one level, a few tools make two.
pub const INDEX_DEPTH: usize = 4;

/// Most entries of one index. A plugin sees all of them, so the number is bounded before it is asked.
pub const INDEX_ENTRIES: usize = 1024;

/// Most documents that wait in memory and in their ingests until an image is found. An image needs up to six; the others
/// are entries before it that turned out to be no image.
pub const PENDING_DOCUMENTS: usize = 16;

/// Most wanted platforms. The interface of platform plugins promises that there are no more; nobody types them all.
pub const WANTED_PLATFORMS: usize = 64;

/// Most layers of one image. The kernel mounts at most 500 lower directories; Docker stops at 127.
pub const LAYERS: usize = 512;

/// Most annotations of one descriptor or manifest, and most labels of one image config. A plugin sees all of them;
/// an image that has more is refused rather than shown in part.
pub const ANNOTATIONS: usize = 1024;

/// Most other places of one blob, for the same reason.
pub const URLS: usize = 64;

/// Layers that are downloaded at the same time where the user does not say, the same number as in Docker and in
/// CRI. More does not help on one connection to one registry, and registries answer many parallel requests with
/// 429.
pub const PARALLEL_DOWNLOADS: NonZeroUsize = NonZeroUsize::new(3).unwrap();

/// Head start of the layer that unpacking waits for, before the layers above it are downloaded as well. From a
/// source that is near, a layer of 50 MB arrives within this time; from one that is far, it is too short to be
/// noticed.
pub const HEAD_START: Duration = Duration::from_millis(300);

/// Tries for one request, with the first.
pub const REQUEST_TRIES: u32 = 4;

/// Times that a blob's source is opened again without a single new byte before the fetch fails.
pub const FRUITLESS_RESUMES: u32 = 3;

/// Pause before the second try of a request; the ones after it double. Long enough for a restarting process
/// to be back after three of them, short enough not to be noticed when one is enough.
pub const FIRST_RETRY_PAUSE: Duration = Duration::from_millis(250);

/// Longest pause between two tries. A registry that asks for more gets an error that says how much it asked
/// for, rather than a program that seems to hang.
pub const RETRY_PAUSE: Duration = Duration::from_secs(30);

/// Time for a connection to come about.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

/// Time without a single byte after which a read from a registry fails. A limit on silence rather than on
/// the whole, so that a slow but living transfer is never ended.
pub const STALL_TIMEOUT: Duration = Duration::from_mins(1);

/// Size of one message that carries blob bytes to containerd. The Go client sends the same; containerd
/// accepts 16 MiB.
pub const CONTENT_CHUNK_BYTES: usize = MIB;

/// Size of the first such message of a blob; the later ones double what is sent. A blob that fits into one large
/// message would be sent only when all of it has come.
pub const CONTENT_FIRST_CHUNK_BYTES: usize = 64 * KIB;

/// Messages with blob bytes under way to containerd before the first has been confirmed. Hides the time of
/// the answer; together with the number of downloads and the chunk size it bounds memory.
pub const CONTENT_CHUNKS_IN_FLIGHT: usize = 4;

/// Largest gRPC message that is accepted from containerd, the server's own default.
pub const GRPC_MESSAGE_BYTES: usize = 16 * MIB;

/// Time for the connection to containerd to come about.
pub const DAEMON_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Time for an answer of containerd to a question that it need not work for: to look something up, to write a
/// record. It takes milliseconds, and with a busy disk, or while garbage is collected, some seconds; the kubelet
/// gives as much to every call that is no pull.
pub const DAEMON_CALL_TIMEOUT: Duration = Duration::from_mins(2);

/// Time after which containerd is asked whether it is still there, while it works on something that may take as
/// long as it likes: to unpack a layer, to prepare, commit or remove a snapshot, to take in a blob.
pub const DAEMON_PULSE: Duration = Duration::from_secs(10);

/// Largest label in containerd, key and value together, in bytes.
pub const LABEL_BYTES: usize = 4096;

/// Life of a lease whose owner died. Longer than any pull, the same as that of the Go client.
pub const LEASE_EXPIRY: Duration = Duration::from_hours(24);

/// Tries to prepare a snapshot while the snapshotter says both that it exists and that it does not.
pub const PREPARE_TRIES: u32 = 3;

/// Times that unpacking starts again from the bottom because a layer below has been collected meanwhile. Once
/// is rare; more says that something else is wrong.
pub const UNPACK_RESTARTS: u32 = 2;

/// Time that cleaning up may take as a whole, from a failure or a cancellation to the end of the pull. The daemon
/// may be the reason for the failure, so this cannot wait for ever; what is left then expires with the lease.
pub const CLEANUP_TIMEOUT: Duration = Duration::from_secs(15);

/// Part of it after which all steps are given up but the last, the release of the lease. That one matters most, since
/// it removes what the others could not; with many files on a slow disk it takes a second or two.
pub const CLEANUP_STEPS_TIMEOUT: Duration = Duration::from_secs(10);

/// Largest docker configuration file, in bytes.
pub const DOCKER_CONFIG_BYTES: u64 = MIB as u64;

/// Largest `hosts.toml`, in bytes. Real ones have less than one KiB.
pub const HOSTS_FILE_BYTES: u64 = (256 * KIB) as u64;

/// Most servers that one `hosts.toml` may put in front of a registry. In the worst case all of them are asked
/// for every blob.
pub const REGISTRY_HOSTS: usize = 64;

/// Most files in a directory of certificates.
pub const CERTIFICATE_FILES: usize = 1024;

/// Largest file with certificates or a key, in bytes. The bundle of a whole distribution has about 230 KiB.
pub const CERTIFICATE_BYTES: u64 = (4 * MIB) as u64;

/// Time that a server which failed is only asked when no other is left. Long enough not to wait for a dead
/// mirror with every layer, short enough to come back to one that was restarted during a pull.
pub const HOST_REST: Duration = Duration::from_mins(1);

/// Registries of which a client remembers the servers, with their tokens, connections and failures. No machine
/// pulls from as many; a program that is told names by others does not grow with each of them. What is forgotten
/// is found out again.
pub const REMEMBERED_REGISTRIES: usize = 256;

/// Repositories of one server of which the authorization is remembered: with tokens of a few KiB, a few MiB.
pub const REMEMBERED_REPOSITORIES: usize = 1024;

/// Servers that one server redirects to of which the authorization is remembered. Most redirects lead to storage that
/// asks for none.
pub const REMEMBERED_REDIRECTS: usize = 16;

/// Blobs of which it is remembered who has sent them, and which of them one server has sent wrongly. Far more than
/// can be on the way at one time.
pub const REMEMBERED_BLOBS: usize = 4096;

/// Time for the first byte of an answer from a server while another can be asked instead. A cache that has to
/// ask the registry itself needs some of it.
pub const HURRIED_SILENCE: Duration = Duration::from_secs(30);

/// Time for a TLS connection to come about where plain HTTP is tried after it, the same as in containerd.
pub const AMBIGUOUS_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Warnings of registries that are shown, in bytes.
pub const WARNING_BYTES: usize = 4 * KIB;

/// `WWW-Authenticate` fields of one answer that are read, in bytes. Most have 200; a ticket of Kerberos may have 12 KiB.
pub const CHALLENGE_BYTES: usize = 32 * KIB;

/// Time that a credential helper has for its answer. Long enough to type a password, short enough not to seem a
/// program that hangs.
pub const CREDENTIAL_HELPER_TIMEOUT: Duration = Duration::from_secs(30);

/// Largest answer of a credential helper, in bytes. Secrets are tokens of a few KiB at most.
pub const CREDENTIAL_HELPER_BYTES: u64 = (64 * KIB) as u64;

/// Largest component that is accepted, in bytes. Components in Rust have 50 to 600 KiB, those with a JavaScript engine
/// inside up to 12 MiB, those with Python 18 MiB and with its libraries several times as much. To read one with Python takes
/// 0.2 s and 50 MiB, to compile it 15 s and 340 MiB; what may take longer has limits of its own, below.
pub const COMPONENT_BYTES: u64 = (64 * MIB) as u64;

/// Deepest nesting of components and modules. Toolchains make two levels, and each composition adds one.
pub const COMPONENT_DEPTH: u64 = 16;

/// How deep types may stand in one another, through whatever names them: the validator follows them by calling
/// itself. Real interfaces have about ten; the validator's own limit, which it does not hold everywhere, is 100.
pub const COMPONENT_TYPE_DEPTH: u64 = 64;

/// Most declarations in one component: types with their fields and parameters, imports, exports, segments of
/// tables. The validator keeps up to 400 bytes for each. A component with a JavaScript engine has 1,300.
pub const COMPONENT_DECLARATIONS: u64 = 100_000;

/// Most bytes in the names of all that a component imports and exports. They are copied a few times.
pub const COMPONENT_NAME_BYTES: u64 = (4 * MIB) as u64;

/// Most parts that the types of a component have in all places where they are used, and so where the validator
/// copies and compares them: up to 120 bytes and half a microsecond for each. Dray's own have 13,000.
pub const COMPONENT_TYPE_USES: u64 = 500_000;

/// Most globals of one component. The compiler counts places in an instance with numbers that 66,000 of them exhaust;
/// those with a JavaScript engine have seven.
pub const COMPONENT_GLOBALS: u64 = 20_000;

/// Most segments of data that are not copied into one image of the memory. The compiler makes code of each of these,
/// 20 KiB while it works; 10,000 take it three seconds. What toolchains make is one image: Go's has 38,000 segments.
pub const COMPONENT_SEGMENTS: u64 = 10_000;

/// Most modules in one component. Each has its table and its memory laid out while it is compiled. A component
/// with Python inside has 14.
pub const COMPONENT_MODULES: u64 = 64;

/// Most memories that the modules of one component define. The first contents of each may become an image of
/// 16 MiB.
pub const COMPONENT_MEMORIES: u64 = 16;

/// Most entries that the tables of one component start with, all together: they are laid out while it is
/// compiled. More than its tables may have when it runs; those with an engine inside have about 8,000.
pub const COMPONENT_TABLE_ELEMENTS: u64 = 500_000;

/// Most functions of one component. Each has a fixed cost, and one in binary form may have four bytes. Components
/// with a whole JavaScript or Python engine have 13,000.
pub const COMPONENT_FUNCTIONS: u64 = 100_000;

/// Most locals of one function, the validator's own limit.
pub const FUNCTION_LOCALS: u64 = 50_000;

/// Most values that the blocks of one function hold, summed over its blocks. The compiler takes up to 800 bytes
/// and some microseconds for each. The largest function of a JavaScript engine has 740,000.
pub const FUNCTION_WORK: u64 = 1_500_000;

/// The same for all functions of a component. Those with a JavaScript engine have 15 million.
pub const COMPONENT_WORK: u64 = 32_000_000;

/// Most parts of a component after each instance in it is replaced by what it is an instance of. The runtime does
/// so while it compiles. Components with Python inside have 6,000.
pub const COMPONENT_ITEMS: u64 = 50_000;

/// Languages and tools that are shown of those that a component says it was made with. Composed components name a
/// dozen.
pub const PLUGIN_PRODUCERS: usize = 64;

/// Memory that reading one component may take beside its bytes, in bytes, where it is done in a process of its own.
/// A component with a JavaScript engine takes 20, and what is at the limits above up to 60.
pub const READ_MEMORY_BYTES: u64 = (96 * MIB) as u64;

/// Time of a processor that reading one component may take, where it is done in a process of its own, in whole
/// seconds. One with a JavaScript engine takes a third of a second, twenty times as long in a build for debugging.
pub const READ_TIME: Duration = Duration::from_secs(2);

/// Largest description of a component that such a process may give, in bytes: all names within the limits, with
/// what describes them.
pub const READ_ANSWER_BYTES: u64 = (32 * MIB) as u64;

/// Memory that compiling one component may take, in bytes, where it is done in a process of its own. One with a
/// JavaScript engine takes 380 MiB with two threads, dray's own take 20.
pub const COMPILE_MEMORY_BYTES: u64 = (1024 * MIB) as u64;

/// Time that compiling one component may take, where it is done in a process of its own. One with a JavaScript
/// engine takes 10 s on two cores, and 40 s where five others want them.
pub const COMPILE_TIMEOUT: Duration = Duration::from_mins(2);

/// Threads that compile in such a process. Each may hold a function of the largest kind at the same time.
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

/// Largest configuration of a plugin, and largest configuration schema, in bytes.
pub const PLUGIN_CONFIG_BYTES: usize = 64 * KIB;

/// Longest message, reason or hint of a plugin, in bytes.
pub const PLUGIN_TEXT_BYTES: usize = KIB;

/// Longest name, version or code of a plugin, in bytes.
pub const PLUGIN_NAME_BYTES: usize = 64;

/// Labels that a plan may give to one layer.
pub const PLAN_LABELS: usize = 256;

/// Hints of one plan.
pub const PLAN_HINTS: usize = 16;

/// Pairs in the room for extensions of one record.
pub const EXTENSIONS: usize = 64;

/// Largest of these pairs, key and value together, in bytes. The same as a label, since it may become one.
pub const EXTENSION_BYTES: usize = 4 * KIB;

/// Size of the store of compiled plugins above which the least recently used are removed, in bytes.
pub const COMPILED_STORE_BYTES: u64 = (256 * MIB) as u64;
