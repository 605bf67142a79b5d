//! What reading and compiling a component would cost, told from its bytes before anything is built of them.
//!
//! The validator follows types into each other and copies and compares them wherever they are used, the runtime
//! expands a component as often as it is instantiated, and the compiler carries every living value through every
//! block. A small file can so cost any time, memory and stack, and its size alone bounds nothing. Counted here is
//! what multiplies: levels, types times their uses, instances once expanded, functions, and values times blocks. It is
//! one pass, linear in the bytes; it follows nothing by calling itself, and what it holds is within the limits too.
//!
//! What is not valid counts as nothing: the validator comes next and refuses it.

mod body;
mod component;
mod module;
mod types;

use std::fmt;

use serde::{Deserialize, Serialize};
use wasmparser::{BinaryReaderError, Encoding, Parser, Payload};

use self::body::Bodies;
use self::component::{Component, Load};
use self::module::Module;
use self::types::Extent;
use dray_core::limits::{
    COMPONENT_DECLARATIONS, COMPONENT_DEPTH, COMPONENT_FUNCTIONS, COMPONENT_GLOBALS, COMPONENT_ITEMS,
    COMPONENT_MEMORIES, COMPONENT_MODULES, COMPONENT_NAME_BYTES, COMPONENT_SEGMENTS,
    COMPONENT_TABLE_ELEMENTS, COMPONENT_TYPE_DEPTH, COMPONENT_TYPE_USES, COMPONENT_WORK, FUNCTION_LOCALS,
    FUNCTION_WORK,
};

/// Why a component goes no further.
#[derive(Clone, Debug, thiserror::Error, Serialize, Deserialize)]
pub(super) enum ComponentError {
    /// The bytes are not those of a valid component.
    #[error("{0}")]
    Invalid(String),
    /// It has too much of something; counting ended there.
    #[error("{what}: {found} or more, at most {limit} are accepted", limit = what.limit())]
    TooMuch {
        /// Of what.
        what: Measure,
        /// How much.
        found: u64,
    },
    /// What it expands to is decided by a calculation of its own. No interface can ask for this.
    #[error("a part of it takes or gives components or modules, and not only instances")]
    HigherOrder,
    /// It belongs to a proposal that is switched off, and is read only as a whole.
    #[error("it has a group of recursive types, which belong to garbage collection")]
    RecursiveTypes,
}

impl From<BinaryReaderError> for ComponentError {
    fn from(error: BinaryReaderError) -> Self {
        Self::Invalid(error.to_string())
    }
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Measure {
    Levels,
    TypeLevels,
    Declarations,
    NameBytes,
    TypeUses,
    Modules,
    Memories,
    TableElements,
    Globals,
    Segments,
    Functions,
    Locals,
    FunctionWork,
    Work,
    Items,
}

impl Measure {
    fn limit(self) -> u64 {
        match self {
            Self::Levels => COMPONENT_DEPTH,
            Self::TypeLevels => COMPONENT_TYPE_DEPTH,
            Self::Declarations => COMPONENT_DECLARATIONS,
            Self::NameBytes => COMPONENT_NAME_BYTES,
            Self::TypeUses => COMPONENT_TYPE_USES,
            Self::Modules => COMPONENT_MODULES,
            Self::Memories => COMPONENT_MEMORIES,
            Self::TableElements => COMPONENT_TABLE_ELEMENTS,
            Self::Globals => COMPONENT_GLOBALS,
            Self::Segments => COMPONENT_SEGMENTS,
            Self::Functions => COMPONENT_FUNCTIONS,
            Self::Locals => FUNCTION_LOCALS,
            Self::FunctionWork => FUNCTION_WORK,
            Self::Work => COMPONENT_WORK,
            Self::Items => COMPONENT_ITEMS,
        }
    }

    /// Refuses what is above the limit.
    fn check(self, found: u64) -> Result<(), ComponentError> {
        if found > self.limit() { Err(ComponentError::TooMuch { what: self, found }) } else { Ok(()) }
    }
}

impl fmt::Display for Measure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Levels => "levels of nesting",
            Self::TypeLevels => "types in one another",
            Self::Declarations => "declarations",
            Self::NameBytes => "bytes of names",
            Self::TypeUses => "parts of types in all places where they are used",
            Self::Modules => "modules",
            Self::Memories => "memories",
            Self::TableElements => "entries of tables",
            Self::Globals => "globals",
            Self::Segments => "segments of data",
            Self::Functions => "functions",
            Self::Locals => "locals of one function",
            Self::FunctionWork => "values in blocks of one function",
            Self::Work => "values in blocks of all functions",
            Self::Items => "parts once all instances are expanded",
        })
    }
}

/// What a component would cost.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weight {
    depth: u64,
    type_depth: u64,
    declarations: u64,
    name_bytes: u64,
    /// Of the component in which it is most.
    uses: u64,
    /// Where types are declared.
    declared_uses: u64,
    modules: u64,
    memories: u64,
    table_elements: u64,
    globals: u64,
    segments: u64,
    functions: u64,
    /// The largest of one function.
    function_work: u64,
    work: u64,
    items: u64,
}

/// One level of nesting.
enum Level {
    Component(Component),
    Module(Module),
}

/// Weighs a component.
///
/// # Errors
///
/// Fails at the first measure that is above its limit, or where the bytes cannot be taken apart.
pub(super) fn weigh(bytes: &[u8]) -> Result<Weight, ComponentError> {
    let mut weight = Weight::default();
    let mut levels: Vec<Level> = Vec::new();
    let mut bodies = Bodies::default();
    for payload in Parser::new(0).parse_all(bytes) {
        match payload? {
            Payload::Version { encoding, .. } => {
                levels.push(match encoding {
                    Encoding::Component => Level::Component(Component::default()),
                    Encoding::Module => {
                        weight.modules += 1;
                        Level::Module(Module::default())
                    }
                });
                weight.deepen(levels.len())?;
            }
            Payload::End(_) => {
                let ended = levels.pop();
                if let Some(Level::Component(around)) = levels.last_mut() {
                    match ended {
                        Some(Level::Component(inner)) => around.define(inner.load),
                        Some(Level::Module(inner)) => around.modules.push(Load::of_module(&inner)),
                        None => {}
                    }
                } else if let (Some(Level::Component(outermost)), true) = (ended, levels.is_empty()) {
                    weight.items = outermost.load.items;
                }
            }
            Payload::CodeSectionEntry(body) => {
                if let Some(Level::Module(module)) = levels.last_mut() {
                    let work = bodies.weigh(&body, module)?;
                    weight.functions += 1;
                    weight.function_work = weight.function_work.max(work);
                    weight.work = weight.work.saturating_add(work);
                }
            }
            payload => match levels.pop() {
                Some(Level::Module(mut module)) => {
                    module.read(payload, bytes, &mut weight)?;
                    levels.push(Level::Module(module));
                }
                Some(Level::Component(mut component)) => {
                    component.read(payload, bytes, &levels, &mut weight)?;
                    weight.items = weight.items.max(component.load.items);
                    levels.push(Level::Component(component));
                }
                None => {}
            },
        }
        weight.check()?;
    }
    Ok(weight)
}

impl Weight {
    /// A level has been opened.
    fn deepen(&mut self, levels: usize) -> Result<(), ComponentError> {
        self.depth = self.depth.max(levels as u64);
        Measure::Levels.check(self.depth)
    }

    /// A type, or what has one, is that deep.
    fn nest(&mut self, extent: Extent) -> Result<(), ComponentError> {
        self.type_depth = self.type_depth.max(extent.depth);
        Measure::TypeLevels.check(self.type_depth)
    }

    /// Something is declared.
    fn declare(&mut self) -> Result<(), ComponentError> {
        self.declare_all(1)
    }

    fn declare_all(&mut self, declarations: u64) -> Result<(), ComponentError> {
        self.declarations = self.declarations.saturating_add(declarations);
        Measure::Declarations.check(self.declarations)
    }

    /// Something has a name. What that adds to its size is returned.
    fn name(&mut self, name: &str) -> Result<u64, ComponentError> {
        /// As many bytes as are copied with the other parts in the same time.
        const PART: usize = 16;
        self.name_bytes = self.name_bytes.saturating_add(name.len() as u64);
        Measure::NameBytes.check(self.name_bytes)?;
        Ok((name.len() / PART + 1) as u64)
    }

    /// A type is used in the declaration of another one.
    fn use_type(&mut self, extent: Extent) -> Result<(), ComponentError> {
        self.declared_uses = self.declared_uses.saturating_add(extent.size);
        Measure::TypeUses.check(self.declared_uses)
    }

    /// So many functions are going to have bodies.
    fn expect_functions(&self, functions: u32) -> Result<(), ComponentError> {
        Measure::Functions.check(self.functions.saturating_add(functions.into()))
    }

    fn check(&self) -> Result<(), ComponentError> {
        for (what, found) in [
            (Measure::Levels, self.depth),
            (Measure::TypeUses, self.uses.saturating_add(self.declared_uses)),
            (Measure::Modules, self.modules),
            (Measure::Memories, self.memories),
            (Measure::TableElements, self.table_elements),
            (Measure::Globals, self.globals),
            (Measure::Segments, self.segments),
            (Measure::Functions, self.functions),
            (Measure::FunctionWork, self.function_work),
            (Measure::Work, self.work),
            (Measure::Items, self.items),
        ] {
            what.check(found)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::{EMBEDDED, Embedded};

    fn weight_of(text: &str) -> Weight {
        weigh(&wat::parse_str(text).unwrap()).unwrap()
    }

    #[test]
    fn what_comes_along_is_far_below_every_limit() {
        for Embedded { name, bytes, .. } in EMBEDDED {
            let weight = weigh(bytes).unwrap();
            assert!(weight.depth == 2 && weight.items < 500 && weight.functions < 1000, "{name}: {weight:?}");
            assert!(weight.function_work < FUNCTION_WORK / 20, "{name}: {weight:?}");
        }
    }

    #[test]
    fn an_instance_has_the_parts_of_its_component() {
        let none = weight_of("(component (component $a (type u8) (type u16)))");
        assert_eq!(none.items, 0);
        let two = weight_of(
            "(component
              (component $a (type u8) (type u16))
              (component $b (alias outer 1 0 (component $outer)) (instance (instantiate $outer)))
              (instance (instantiate $b))
              (instance (instantiate $a)))",
        );
        // One instance, the alias, the instance inside, two types; one instance and two types.
        assert_eq!(two.items, 5 + 3);
        assert_eq!(two.depth, 2);
    }

    #[test]
    fn a_local_counts_in_every_block_up_to_its_last_use() {
        let function = |body: &str| {
            weight_of(&format!("(component (core module (func (param i32) {body})))")).function_work
        };
        let idle = function("(block) (block) (block)");
        let used = function("(block) (block) (block) (drop (local.get 0))");
        // Two instructions and six block ends or starts.
        assert_eq!(used - idle, 2 + 6);
        // Behind its use a local counts to the end of the loop.
        let looped = function("(loop (drop (local.get 0)) (block) (block))");
        let straight = function("(block (drop (local.get 0)) (block) (block))");
        assert_eq!(looped - straight, 5);
    }

    #[test]
    fn values_that_branches_pass_on_count() {
        let table = |targets: &str| {
            weight_of(&format!(
                "(component (core module (func (param i32)
                   (drop (block (result i32) (i32.const 1) (br_table {targets} (local.get 0)))))))"
            ))
            .function_work
        };
        assert_eq!(table("0 0 0 0") - table("0 0"), 4);
    }

    #[test]
    fn components_as_values_are_refused() {
        for text in [
            "(component (import \"a\" (component)))",
            "(component (import \"a\" (core module)))",
            "(component (core module $m) (export \"a\" (core module $m)))",
        ] {
            let refused = weigh(&wat::parse_str(text).unwrap());
            assert!(matches!(refused, Err(ComponentError::HigherOrder)), "{text}");
        }
    }
}
