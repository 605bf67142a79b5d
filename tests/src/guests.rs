//! Components for tests, many of which misbehave.
//!
//! [`Guest`] makes a plugin from WebAssembly text. It behaves well, except for the exports that a test replaces.
//! [`dummy`] makes a component of any world, for tests that never run it.

mod answers;
mod echo;
pub mod hostile;
mod memory;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, Resolve, UnresolvedPackageGroup, WorldId};

pub use answers::{Info, LayerPlan, Plan, Question};
pub use echo::Shown;

use self::memory::{HEAP, Memory, PAGES};

/// The exports of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Export {
    /// `get-info`.
    GetInfo,
    /// `check-config`.
    CheckConfig,
    /// `plan` or `rank`.
    Work,
}

/// The number of the error case `transient`.
const TRANSIENT: u8 = 4;

/// A plugin under construction.
#[derive(Clone)]
pub struct Guest {
    is_platform: bool,
    memory: Memory,
    pages: u32,
    bodies: BTreeMap<Export, String>,
    items: String,
    imports: String,
    packages: Vec<String>,
}

impl Guest {
    /// A snapshotter plugin that calls every image foreign.
    pub fn snapshotter() -> Self {
        Self::new(false).plan(&Plan::default())
    }

    /// A platform plugin that prefers the first offer and rejects the others.
    pub fn platform() -> Self {
        Self::new(true).rank(&[0])
    }

    fn new(is_platform: bool) -> Self {
        let guest = Self {
            is_platform,
            memory: Memory::default(),
            pages: PAGES,
            bodies: BTreeMap::new(),
            items: String::new(),
            imports: String::new(),
            packages: Vec::new(),
        };
        guest.info(&Info::default()).accept_config()
    }

    /// Replaces the body of an export. The instructions must leave the address of an answer.
    #[must_use]
    pub fn on(mut self, export: Export, instructions: &str) -> Self {
        self.bodies.insert(export, instructions.to_owned());
        self
    }

    /// Runs these instructions at the start of an export.
    #[must_use]
    pub fn before(mut self, export: Export, instructions: &str) -> Self {
        let body = self.bodies.get_mut(&export).expect("every export has a body");
        body.insert_str(0, instructions);
        self
    }

    /// Adds fields to the module: functions, tables, a start function. Imports must come first.
    #[must_use]
    pub fn item(mut self, text: &str) -> Self {
        self.items.push_str(text);
        self.items.push('\n');
        self
    }

    /// Initial size of the memory, in pages.
    #[must_use]
    pub fn pages(mut self, pages: u32) -> Self {
        self.pages = pages;
        self
    }

    /// Adds a line to the world, and the packages that it names.
    #[must_use]
    pub fn import(mut self, line: &str, packages: &[&str]) -> Self {
        self.imports.push_str(line);
        self.packages.extend(packages.iter().map(|&package| package.to_owned()));
        self
    }

    /// Returns this information from `get-info`.
    #[must_use]
    pub fn info(mut self, info: &Info) -> Self {
        let at = answers::info(&mut self.memory, info);
        self.answer(Export::GetInfo, at)
    }

    /// Accepts every configuration.
    #[must_use]
    pub fn accept_config(mut self) -> Self {
        let at = answers::ok(&mut self.memory, &[]);
        self.answer(Export::CheckConfig, at)
    }

    /// Returns an error: the number of its case, its code and its message.
    #[must_use]
    pub fn fail(mut self, export: Export, case: u8, code: &str, message: &str) -> Self {
        let at = answers::error(&mut self.memory, case, code, message, None);
        self.answer(export, at)
    }

    /// Returns a transient error from `plan` or `rank`, with a retry time in milliseconds.
    #[must_use]
    pub fn fail_for_now(mut self, retry_after: u64) -> Self {
        let at = answers::error(&mut self.memory, TRANSIENT, "busy", "it is busy", Some(retry_after));
        self.answer(Export::Work, at)
    }

    /// Returns this ranking for every offer.
    #[must_use]
    pub fn rank(mut self, indices: &[u32]) -> Self {
        let at = answers::rank(&mut self.memory, indices);
        self.answer(Export::Work, at)
    }

    /// Returns this plan for every image.
    #[must_use]
    pub fn plan(mut self, plan: &Plan) -> Self {
        let at = answers::plan(&mut self.memory, plan);
        self.answer(Export::Work, at)
    }

    /// Returns raw bytes from an export.
    #[must_use]
    pub fn raw(mut self, export: Export, bytes: &[u8]) -> Self {
        let at = self.memory.place(bytes);
        self.answer(export, at)
    }

    fn answer(self, export: Export, at: u32) -> Self {
        self.on(export, &format!("(i32.const {at})"))
    }

    /// The finished component.
    pub fn component(&self) -> Vec<u8> {
        let (kind, function, parameters) = if self.is_platform {
            ("platform", "dray:platform/matcher@0.1.0#rank", "i32 i32 i32 i32 i32 i32")
        } else {
            // The parameters are too many to be passed as values, so they are in memory.
            ("snapshotter", "dray:snapshotter/planner@0.1.0#plan", "i32")
        };
        let body = |export| &self.bodies[&export];
        let text = format!(
            r#"(module
              {items}
              (memory (export "memory") {pages})
              (global $heap (mut i32) (i32.const {HEAP}))
              (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (local $at i32)
                (local.set $at (i32.and (i32.add (global.get $heap) (i32.const 7)) (i32.const -8)))
                (global.set $heap (i32.add (local.get $at) (local.get 3)))
                (local.get $at))
              (func (export "dray:types/describe@0.1.0#get-info") (result i32) {info})
              (func (export "dray:types/describe@0.1.0#check-config") (param i32 i32) (result i32) {config})
              (func (export "{function}") (param {parameters}) (result i32) {work})
              (data (i32.const {base}) "{data}"))"#,
            items = self.items,
            pages = self.pages,
            info = body(Export::GetInfo),
            config = body(Export::CheckConfig),
            work = body(Export::Work),
            base = memory::BASE,
            data = self.memory.escaped(),
        );
        let module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let world = format!("include dray:{kind}/plugin@0.1.0; {}", self.imports);
        let packages: Vec<&str> = self.packages.iter().map(String::as_str).collect();
        let (resolve, world) = resolve(&packages, &world);
        encode(module, &resolve, world)
    }

    /// Writes the component to a file.
    pub fn write(&self, folder: &Path, name: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, self.component()).expect("the scratch directory can be written");
        path
    }
}

/// A component of a world whose exports trap. `world` is the text between its braces; `packages` are packages in text
/// form in addition to those of the plugin interface.
pub fn dummy(packages: &[&str], world: &str) -> Vec<u8> {
    let (resolve, world) = resolve(packages, world);
    let mangling = ManglingAndAbi::Legacy(LiftLowerAbi::Sync);
    let module = wit_component::dummy_module(&resolve, world, mangling);
    encode(module, &resolve, world)
}

/// The directory with the plugin interface.
pub fn wit() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit")
}

/// The packages of the plugin interface, in the order of their dependencies.
pub const PACKAGES: [&str; 4] = ["types", "host", "snapshotter", "platform"];

/// The plugin interface, parsed.
pub fn interface() -> Resolve {
    let mut resolve = Resolve::default();
    for package in PACKAGES {
        // Without the directory `deps`, whose packages are parsed already.
        let files = UnresolvedPackageGroup::parse_dir(wit().join(package));
        let files = files.unwrap_or_else(|error| panic!("{package}: {error:?}"));
        resolve.push_group(files).unwrap_or_else(|error| panic!("{package}: {error:?}"));
    }
    resolve
}

fn resolve(packages: &[&str], world: &str) -> (Resolve, WorldId) {
    let mut resolve = interface();
    for package in packages {
        resolve.push_str("extra.wit", package).unwrap_or_else(|error| panic!("{error:?}\n{package}"));
    }
    let text = format!("package test:guest; world guest {{ {world} }}");
    let package = resolve.push_str("guest.wit", &text).unwrap_or_else(|error| panic!("{error:?}\n{text}"));
    let world = resolve.select_world(&[package], Some("guest")).expect("the world is in the text");
    (resolve, world)
}

/// Makes a plugin of this kind from a module that was compiled for WASI 0.1.
pub fn component_of_wasip1(module: Vec<u8>, kind: &str) -> Vec<u8> {
    let (resolve, world) = resolve(&[], &format!("include dray:{kind}/plugin@0.1.0;"));
    let mut module = module;
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8, false)
        .expect("the world can be embedded");
    let adapter = wasi_preview1_component_adapter_provider::WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER;
    let mut encoder = ComponentEncoder::default();
    let encoded = encoder
        .module(&module)
        .and_then(|encoder| encoder.adapter("wasi_snapshot_preview1", adapter))
        .and_then(ComponentEncoder::encode);
    encoded.unwrap_or_else(|error| panic!("{error:?}"))
}

fn encode(mut module: Vec<u8>, resolve: &Resolve, world: WorldId) -> Vec<u8> {
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8, false)
        .expect("the world can be embedded");
    let mut encoder = ComponentEncoder::default();
    // Keeps two versions of an interface as two imports: tests ask for one that the host lacks.
    encoder.merge_imports_based_on_semver(false);
    encoder.module(&module).unwrap_or_else(|error| panic!("{error:?}"));
    encoder.encode().unwrap_or_else(|error| panic!("{error:?}"))
}
