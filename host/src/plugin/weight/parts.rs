//! What stands around the functions: instances, and what a function's type is.

use wasmparser::{
    ComponentAlias, ComponentExternalKind, ComponentInstance, ComponentOuterAliasKind, ComponentTypeRef,
    CompositeInnerType, Instance, Payload, TypeRef,
};

use super::{Level, Unfit, Weight};

/// How many values go in and out.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Arity {
    pub(super) parameters: u64,
    pub(super) results: u64,
}

/// A module that is being read.
#[derive(Default)]
pub(super) struct Module {
    pub(super) imports: u64,
    types: Vec<Arity>,
    /// The type of each function, imported ones first.
    functions: Vec<u32>,
    imported_functions: usize,
    bodies: usize,
}

impl Module {
    pub(super) fn read(&mut self, payload: Payload<'_>, weight: &mut Weight) -> Result<(), Unfit> {
        match payload {
            Payload::TypeSection(section) => {
                for group in section {
                    self.types.extend(group?.types().map(|ty| match &ty.composite_type.inner {
                        CompositeInnerType::Func(function) => Arity {
                            parameters: function.params().len() as u64,
                            results: function.results().len() as u64,
                        },
                        _ => Arity::default(),
                    }));
                }
            }
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    self.imports += 1;
                    if let TypeRef::Func(ty) | TypeRef::FuncExact(ty) = import?.ty {
                        self.functions.push(ty);
                        self.imported_functions += 1;
                    }
                }
            }
            Payload::FunctionSection(section) => {
                for ty in section {
                    self.functions.push(ty?);
                }
            }
            Payload::MemorySection(section) => weight.memories += u64::from(section.count()),
            Payload::TableSection(section) => {
                for table in section {
                    weight.table_elements = weight.table_elements.saturating_add(table?.ty.initial);
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// The type of the next function that has a body.
    pub(super) fn next_body(&mut self) -> Arity {
        let function = self.imported_functions + self.bodies;
        self.bodies += 1;
        u32::try_from(function).map(|function| self.function(function)).unwrap_or_default()
    }

    pub(super) fn function(&self, index: u32) -> Arity {
        self.functions.get(index as usize).map(|ty| self.ty(*ty)).unwrap_or_default()
    }

    pub(super) fn ty(&self, index: u32) -> Arity {
        self.types.get(index as usize).copied().unwrap_or_default()
    }
}

/// A component that is being read.
#[derive(Default)]
pub(super) struct Component {
    /// What it has, with what the instances in it have in their turn.
    pub(super) items: u64,
    /// The items of each component that it can instantiate, by index.
    pub(super) components: Vec<u64>,
    /// The imports of each module that it can instantiate, by index.
    pub(super) modules: Vec<u64>,
}

impl Component {
    /// `around` are the levels that this component lies in, the outermost first.
    pub(super) fn read(&mut self, payload: Payload<'_>, around: &[Level]) -> Result<(), Unfit> {
        match payload {
            Payload::InstanceSection(section) => {
                for instance in section {
                    self.add(match instance? {
                        Instance::Instantiate { module_index, args } => {
                            args.len() as u64 + at(&self.modules, module_index)
                        }
                        Instance::FromExports(exports) => exports.len() as u64,
                    });
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section {
                    self.add(match instance? {
                        ComponentInstance::Instantiate { component_index, args } => {
                            at(&self.components, component_index).saturating_add(args.len() as u64)
                        }
                        ComponentInstance::FromExports(exports) => exports.len() as u64,
                    });
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section {
                    self.add(0);
                    self.alias(&alias?, around)?;
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    self.add(0);
                    if let ComponentTypeRef::Component(_) | ComponentTypeRef::Module(_) = import?.ty {
                        return Err(Unfit::HigherOrder);
                    }
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    self.add(0);
                    if let ComponentExternalKind::Component | ComponentExternalKind::Module = export?.kind {
                        return Err(Unfit::HigherOrder);
                    }
                }
            }
            Payload::ComponentTypeSection(section) => self.add_all(u64::from(section.count())),
            Payload::CoreTypeSection(section) => self.add_all(u64::from(section.count())),
            Payload::ComponentCanonicalSection(section) => self.add_all(u64::from(section.count())),
            _ => {}
        }
        Ok(())
    }

    /// One item, and what belongs to it.
    fn add(&mut self, more: u64) {
        self.add_all(more.saturating_add(1));
    }

    fn add_all(&mut self, items: u64) {
        self.items = self.items.saturating_add(items);
    }

    fn alias(&mut self, alias: &ComponentAlias<'_>, around: &[Level]) -> Result<(), Unfit> {
        match *alias {
            ComponentAlias::InstanceExport {
                kind: ComponentExternalKind::Component | ComponentExternalKind::Module,
                ..
            } => Err(Unfit::HigherOrder),
            ComponentAlias::Outer { kind, count, index } => {
                let outer = (count as usize)
                    .checked_sub(1)
                    .and_then(|count| around.iter().rev().nth(count))
                    .and_then(|level| if let Level::Component(outer) = level { Some(outer) } else { None });
                match kind {
                    ComponentOuterAliasKind::CoreModule => {
                        let weight = at(&outer.unwrap_or(self).modules, index);
                        self.modules.push(weight);
                    }
                    ComponentOuterAliasKind::Component => {
                        let weight = at(&outer.unwrap_or(self).components, index);
                        self.components.push(weight);
                    }
                    ComponentOuterAliasKind::CoreType | ComponentOuterAliasKind::Type => {}
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

fn at(weights: &[u64], index: u32) -> u64 {
    weights.get(index as usize).copied().unwrap_or_default()
}
