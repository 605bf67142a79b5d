//! Guests that return their arguments.
//!
//! The offsets of values in the arguments follow from the interface itself, by the layout of the canonical ABI. A
//! path such as `image.layers.1.descriptor.urls.0` names a value: members by name, list entries by number, and `some`
//! for the content of an option.

use std::fmt::Write as _;

use wit_parser::{Resolve, SizeAlign, Type, TypeDefKind};

use super::answers::{self, LayerPlan, Plan, Question};
use super::{Export, Guest, interface};

/// Address at which the arguments of `rank`, which are passed as values, are stored: above the answers, below the
/// heap.
const ARGUMENTS: u32 = super::memory::HEAP - 64;

/// Offsets in the plan of a layer.
const LAYER: u32 = 0;
const LABELS: u32 = 12;
const KEEP_BLOB: u32 = 23;
/// Size of the plan of a layer.
const LAYER_PLAN: u32 = 32;

/// How an answer shows a value.
#[derive(Clone, Copy, Debug)]
pub enum Shown<'a> {
    /// A string, as the digest of a layer.
    Text(&'a str),
    /// The bytes of a number, as the digest of a layer. They must be valid text.
    Number(&'a str),
    /// The length of a list, likewise, as four bytes.
    Length(&'a str),
    /// A list of pairs, as labels.
    Pairs(&'a str),
    /// Whether an option holds a value, as `keep-blob`.
    Presence(&'a str),
}

impl Guest {
    /// A snapshotter plugin whose plan has one entry for each of these values.
    pub fn echo(places: &[Shown]) -> Self {
        let arguments = Arguments::of("snapshotter", "planner", "plan");
        let mut guest = Self::snapshotter();
        let entry = LayerPlan { question: Question::Labels(Vec::new()), ..LayerPlan::default() };
        let plan = Plan { suitability: 0, layers: vec![entry; places.len()], ..Plan::default() };
        let (answer, layers) = answers::plan_and_layers(&mut guest.memory, &plan);
        let mut body = String::new();
        for (place, number) in places.iter().zip(0..) {
            let to = layers + number * LAYER_PLAN;
            let at = |path| arguments.place("(local.get 0)", path);
            let text = |from: &str, length: u32| {
                let to = to + LAYER;
                format!(
                    "(i32.store (i32.const {to}) {from}) (i32.store offset=4 (i32.const {to}) (i32.const {length}))"
                )
            };
            let shows = match *place {
                Shown::Text(path) => copied(to + LAYER, &at(path)),
                Shown::Number(path) => text(&at(path), 8),
                Shown::Length(path) => text(&format!("(i32.add {} (i32.const 4))", at(path)), 4),
                Shown::Pairs(path) => copied(to + LABELS, &at(path)),
                Shown::Presence(path) => {
                    format!("(i32.store8 (i32.const {}) (i32.load8_u {}))", to + KEEP_BLOB, at(path))
                }
            };
            body.push_str(&shows);
        }
        guest.on(Export::Work, &format!("{body} (i32.const {answer})"))
    }

    /// A platform plugin that fails with two strings as code and message.
    pub fn echo_platform(code: &str, message: &str) -> Self {
        const OTHER: u8 = 5;
        let arguments = Arguments::of("platform", "matcher", "rank");
        let mut guest = Self::platform();
        let answer = answers::error(&mut guest.memory, OTHER, "", "", None);
        let base = format!("(i32.const {ARGUMENTS})");
        let mut body = String::new();
        for local in 0..6 {
            let _ = write!(body, "(i32.store offset={} {base} (local.get {local}))", 4 * local);
        }
        body.push_str(&copied(answer + answers::CODE, &arguments.place(&base, code)));
        body.push_str(&copied(answer + answers::MESSAGE, &arguments.place(&base, message)));
        guest.on(Export::Work, &format!("{body} (i32.const {answer})"))
    }
}

/// Copies address and length.
fn copied(to: u32, from: &str) -> String {
    format!("(i64.store (i32.const {to}) (i64.load {from}))")
}

/// The arguments of a function of the interface.
struct Arguments {
    resolve: Resolve,
    sizes: SizeAlign,
    names: Vec<String>,
    types: Vec<Type>,
}

impl Arguments {
    fn of(package: &str, interface_name: &str, function: &str) -> Self {
        let resolve = interface();
        let mut sizes = SizeAlign::default();
        sizes.fill(&resolve).expect("the interface has a layout");
        let found = resolve.interfaces.iter().find(|(_, interface)| {
            let owner = interface.package.map(|id| resolve.packages[id].name.name.as_str());
            owner == Some(package) && interface.name.as_deref() == Some(interface_name)
        });
        let (_, interface) = found.expect("the interface is there");
        let parameters = &interface.functions[function].params;
        let names = parameters.iter().map(|parameter| parameter.name.clone()).collect();
        let types = parameters.iter().map(|parameter| parameter.ty).collect();
        Self { resolve, sizes, names, types }
    }

    /// Instructions that compute the address of a value from instructions that leave the address of the arguments.
    fn place(&self, base: &str, path: &str) -> String {
        let (first, rest) = path.split_once('.').unwrap_or((path, ""));
        let (offset, mut kind) = self.member(&self.names, &self.types, first);
        let mut address = format!("(i32.add {base} (i32.const {offset}))");
        for step in rest.split('.').filter(|step| !step.is_empty()) {
            let offset;
            (offset, kind) = match self.definition(kind) {
                TypeDefKind::Record(record) => {
                    let names: Vec<String> = record.fields.iter().map(|field| field.name.clone()).collect();
                    let types: Vec<Type> = record.fields.iter().map(|field| field.ty).collect();
                    self.member(&names, &types, step)
                }
                TypeDefKind::List(entry) => {
                    let number: usize = step.parse().unwrap_or_else(|_| panic!("{path}: `{step}`"));
                    address = format!("(i32.load {address})");
                    (number * self.sizes.size(entry).size_wasm32(), *entry)
                }
                TypeDefKind::Option(inner) if step == "some" => {
                    (self.sizes.align(inner).align_wasm32().max(1), *inner)
                }
                other => panic!("{path}: `{step}` of {other:?}"),
            };
            address = format!("(i32.add {address} (i32.const {offset}))");
        }
        address
    }

    fn member(&self, names: &[String], types: &[Type], name: &str) -> (usize, Type) {
        let at = names.iter().position(|known| known == name).unwrap_or_else(|| panic!("no `{name}`"));
        let (offset, kind) = self.sizes.field_offsets(types)[at];
        (offset.size_wasm32(), *kind)
    }

    /// The definition of a type, with aliases resolved.
    fn definition(&self, mut kind: Type) -> &TypeDefKind {
        loop {
            let Type::Id(id) = kind else { panic!("{kind:?} has no parts") };
            match &self.resolve.types[id].kind {
                TypeDefKind::Type(other) => kind = *other,
                definition => return definition,
            }
        }
    }
}
