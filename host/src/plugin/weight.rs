//! What compiling a component would cost, told from its bytes before anything is validated or compiled.
//!
//! The runtime expands a component as often as it is instantiated, the validator keeps a state for each level
//! of nesting, and the compiler carries every living value through every block. A small file can so cost any
//! time and memory, and its size alone bounds nothing. Counted here is what multiplies: levels, instances once
//! expanded, functions, and values times blocks. It is one pass, linear in the bytes.
//!
//! What is not valid counts as nothing: the validator comes next and refuses it.

mod body;
mod parts;

use wasmparser::{BinaryReaderError, Encoding, Parser, Payload};

use self::body::Bodies;
use self::parts::{Component, Module};
use crate::limits::{
    COMPONENT_DEPTH, COMPONENT_FUNCTIONS, COMPONENT_ITEMS, COMPONENT_MEMORIES, COMPONENT_MODULES,
    COMPONENT_TABLE_ELEMENTS, COMPONENT_WORK, FUNCTION_WORK,
};

/// Why a component goes no further.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    /// The bytes are not those of a valid component.
    #[error(transparent)]
    Invalid(#[from] BinaryReaderError),
    /// It has too much of something; counting ended there.
    #[error("{what}: {found} or more, at most {limit} are accepted")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// How much.
        found: u64,
        /// How much may be.
        limit: u64,
    },
    /// What it expands to is decided by a calculation of its own. No interface can ask for this.
    #[error("a part of it takes or gives components or modules, and not only instances")]
    HigherOrder,
}

/// What a component would cost.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Weight {
    depth: u64,
    modules: u64,
    memories: u64,
    table_elements: u64,
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
pub(super) fn weigh(bytes: &[u8]) -> Result<Weight, Unfit> {
    let mut weight = Weight::default();
    let mut levels: Vec<Level> = Vec::new();
    let mut bodies = Bodies::default();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        match payload {
            Payload::Version { encoding, .. } => {
                levels.push(match encoding {
                    Encoding::Component => Level::Component(Component::default()),
                    Encoding::Module => {
                        weight.modules += 1;
                        Level::Module(Module::default())
                    }
                });
                weight.depth = weight.depth.max(levels.len() as u64);
            }
            Payload::End(_) => {
                let ended = levels.pop();
                if let Some(Level::Component(around)) = levels.last_mut() {
                    match ended {
                        Some(Level::Component(inner)) => around.components.push(inner.items),
                        Some(Level::Module(inner)) => around.modules.push(inner.imports),
                        None => {}
                    }
                } else if let (Some(Level::Component(outermost)), true) = (ended, levels.is_empty()) {
                    weight.items = outermost.items;
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
                    module.read(payload, &mut weight)?;
                    levels.push(Level::Module(module));
                }
                Some(Level::Component(mut component)) => {
                    component.read(payload, &levels)?;
                    weight.items = weight.items.max(component.items);
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
    fn check(&self) -> Result<(), Unfit> {
        for (what, found, limit) in [
            ("levels of nesting", self.depth, COMPONENT_DEPTH),
            ("modules", self.modules, COMPONENT_MODULES),
            ("memories", self.memories, COMPONENT_MEMORIES),
            ("entries of tables", self.table_elements, COMPONENT_TABLE_ELEMENTS),
            ("functions", self.functions, COMPONENT_FUNCTIONS),
            ("values in blocks of one function", self.function_work, FUNCTION_WORK),
            ("values in blocks of all functions", self.work, COMPONENT_WORK),
            ("parts once all instances are expanded", self.items, COMPONENT_ITEMS),
        ] {
            if found > limit {
                return Err(Unfit::TooMuch { what, found, limit });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plugin::embedded::EMBEDDED;

    fn weight_of(text: &str) -> Weight {
        weigh(&wat::parse_str(text).unwrap()).unwrap()
    }

    #[test]
    fn what_comes_along_is_far_below_every_limit() {
        for (name, bytes) in EMBEDDED {
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
            assert!(matches!(refused, Err(Unfit::HigherOrder)), "{text}");
        }
    }
}
