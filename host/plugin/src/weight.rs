//! Estimates the cost of reading and compiling a component from its bytes, before anything is built.
//!
//! The validator follows nested types, and copies and compares them at each use. The runtime expands a component at
//! each instantiation. The compiler carries every live value through every block. So a small file can cost any amount
//! of time, memory and stack, and its size limits nothing. This module counts the factors: levels, types times their
//! uses, expanded instances, functions, and values times blocks. It makes one pass, linear in the bytes, without
//! recursion and within the same limits.
//!
//! Invalid parts count as nothing, because the validator refuses them next.

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

/// Why a component is refused.
#[derive(Clone, Debug, thiserror::Error, Serialize, Deserialize)]
pub(super) enum ComponentError {
    /// The bytes are not those of a valid component.
    #[error("{0}")]
    Invalid(String),
    /// A measure exceeds its limit. Counting stopped there.
    #[error("{what}: {found} or more, at most {limit} are accepted", limit = what.limit())]
    TooMuch {
        /// The measure.
        what: Measure,
        /// The count so far.
        found: u64,
    },
    /// Its expansion could not be estimated. No plugin needs this.
    #[error("a part of it takes or gives components or modules, and not only instances")]
    HigherOrder,
    /// It uses a disabled proposal, and could only be read as a whole.
    #[error("it has a group of recursive types, which belong to garbage collection")]
    RecursiveTypes,
}

impl From<BinaryReaderError> for ComponentError {
    fn from(error: BinaryReaderError) -> Self {
        Self::Invalid(error.to_string())
    }
}

/// The measures.
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

    /// Fails if a measure exceeds its limit.
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

/// The estimated cost of a component.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weight {
    depth: u64,
    type_depth: u64,
    declarations: u64,
    name_bytes: u64,
    /// The largest of any component.
    uses: u64,
    /// Of type declarations.
    declared_uses: u64,
    modules: u64,
    memories: u64,
    table_elements: u64,
    globals: u64,
    segments: u64,
    functions: u64,
    /// The largest of any function.
    function_work: u64,
    work: u64,
    items: u64,
}

/// A level of nesting.
enum Level {
    Component(Component),
    Module(Module),
}

/// Estimates the cost of a component.
///
/// # Errors
///
/// Fails at the first measure that exceeds its limit, or if the bytes cannot be parsed.
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
    /// Counts a level.
    fn deepen(&mut self, levels: usize) -> Result<(), ComponentError> {
        self.depth = self.depth.max(levels as u64);
        Measure::Levels.check(self.depth)
    }

    /// Counts the depth of a type, or of an item with a type.
    fn nest(&mut self, extent: Extent) -> Result<(), ComponentError> {
        self.type_depth = self.type_depth.max(extent.depth);
        Measure::TypeLevels.check(self.type_depth)
    }

    /// Counts a declaration.
    fn declare(&mut self) -> Result<(), ComponentError> {
        self.declare_all(1)
    }

    fn declare_all(&mut self, declarations: u64) -> Result<(), ComponentError> {
        self.declarations = self.declarations.saturating_add(declarations);
        Measure::Declarations.check(self.declarations)
    }

    /// Counts a name. Returns its share of the item's size.
    fn name(&mut self, name: &str) -> Result<u64, ComponentError> {
        /// Bytes that are copied in the time of one other part.
        const PART: usize = 16;
        self.name_bytes = self.name_bytes.saturating_add(name.len() as u64);
        Measure::NameBytes.check(self.name_bytes)?;
        Ok((name.len() / PART + 1) as u64)
    }

    /// Counts the use of a type in the declaration of another.
    fn use_type(&mut self, extent: Extent) -> Result<(), ComponentError> {
        self.declared_uses = self.declared_uses.saturating_add(extent.size);
        Measure::TypeUses.check(self.declared_uses)
    }

    /// Counts functions whose bodies follow.
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
    fn embedded_plugins_are_far_below_every_limit() {
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
        // One instance, the alias, the nested instance and two types; then one instance and two types.
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
        // Two instructions, and six starts and ends of blocks.
        assert_eq!(used - idle, 2 + 6);
        // After its use, a local counts to the end of the loop.
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
