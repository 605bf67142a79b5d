//! The contents of a component: types, instances, and the contents of the instances.

use wasmparser::{
    BinaryReader, CanonicalFunction, ComponentAlias, ComponentExternalKind, ComponentInstance,
    ComponentOuterAliasKind, ComponentTypeRef, Instance, Payload, TypeBounds,
};

use super::types::{self, Extent, Spaces, Types};
use super::{ComponentError, Level, Module, Weight};

/// The cost that each instance of a component or module adds.
#[derive(Clone, Copy, Default)]
pub(super) struct Load {
    /// Its parts, including those of nested instances.
    pub(super) items: u64,
    /// The parts of the types that it uses, counted at each use.
    pub(super) uses: u64,
    /// Its imports and exports.
    interface: Extent,
}

impl Load {
    /// The cost that an instance of a module adds.
    pub(super) fn of_module(module: &Module) -> Self {
        Self { items: module.imports, uses: module.imports + module.exports, interface: Extent::ONE }
    }
}

/// A component that is being read.
#[derive(Default)]
pub(super) struct Component {
    pub(super) load: Load,
    /// The components that it can instantiate, by index.
    pub(super) components: Vec<Load>,
    pub(super) modules: Vec<Load>,
    pub(super) spaces: Spaces,
}

impl Component {
    /// Reads a section. `around` has the enclosing levels, the outermost first.
    pub(super) fn read(
        &mut self,
        payload: Payload<'_>,
        bytes: &[u8],
        around: &[Level],
        weight: &mut Weight,
    ) -> Result<(), ComponentError> {
        match payload {
            Payload::InstanceSection(section) => {
                for instance in section {
                    match instance? {
                        Instance::Instantiate { module_index, args } => {
                            self.add(args.len() as u64);
                            self.expand(at(&self.modules, module_index));
                            args.iter().try_for_each(|arg| weight.name(arg.name).map(drop))?;
                        }
                        Instance::FromExports(exports) => {
                            self.add(exports.len() as u64);
                            exports.iter().try_for_each(|export| weight.name(export.name).map(drop))?;
                        }
                    }
                }
            }
            Payload::ComponentInstanceSection(section) => {
                for instance in section {
                    self.instance(&instance?, weight)?;
                }
            }
            Payload::ComponentAliasSection(section) => {
                for alias in section {
                    self.add(0);
                    self.alias(&alias?, around, weight)?;
                }
            }
            Payload::ComponentImportSection(section) => {
                for import in section {
                    let import = import?;
                    self.add(0);
                    if let ComponentTypeRef::Component(_) | ComponentTypeRef::Module(_) = import.ty {
                        return Err(ComponentError::HigherOrder);
                    }
                    let extent = self.spaces.referred(import.ty);
                    self.pass(import.name.name, extent, weight)?;
                    self.spaces.add(import.ty, extent);
                }
            }
            Payload::ComponentExportSection(section) => {
                for export in section {
                    let export = export?;
                    self.add(0);
                    let (extent, kind) = match export.kind {
                        ComponentExternalKind::Component | ComponentExternalKind::Module => {
                            return Err(ComponentError::HigherOrder);
                        }
                        kind => self.exported(kind, export.index),
                    };
                    // The declared type is compared with the actual one.
                    let mut extent = extent;
                    if let Some(ty) = export.ty {
                        extent.contain(self.spaces.referred(ty));
                    }
                    self.pass(export.name.name, extent, weight)?;
                    self.spaces.add(kind, extent);
                }
            }
            Payload::ComponentTypeSection(section) => {
                self.add_all(u64::from(section.count()));
                let range = section.range();
                let mut reader = BinaryReader::new(&bytes[range.clone()], range.start);
                let count = reader.read_var_u32()?;
                for _ in 0..count {
                    let mut types = Types { reader, own: &self.spaces, around, weight };
                    let extent = types.next()?;
                    reader = types.reader;
                    self.spaces.types.push(extent);
                }
            }
            Payload::CoreTypeSection(section) => {
                self.add_all(u64::from(section.count()));
                let range = section.range();
                let mut reader = BinaryReader::new(&bytes[range.clone()], range.start);
                for _ in 0..reader.read_var_u32()? {
                    types::core_type(&mut reader, weight)?;
                }
            }
            Payload::ComponentCanonicalSection(section) => {
                for function in section {
                    self.add(0);
                    match function? {
                        CanonicalFunction::Lift { type_index, .. } => {
                            let extent = types::at(&self.spaces.types, type_index);
                            self.spaces.functions.push(extent);
                            self.use_type(extent);
                        }
                        CanonicalFunction::Lower { func_index, .. } => {
                            self.use_type(types::at(&self.spaces.functions, func_index));
                        }
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        weight.uses = weight.uses.max(self.load.uses);
        Ok(())
    }

    /// Ends a nested component.
    pub(super) fn define(&mut self, inner: Load) {
        self.components.push(inner);
        // It is validated once, whether or not it is instantiated.
        self.load.uses = self.load.uses.saturating_add(inner.uses);
    }

    fn instance(
        &mut self,
        instance: &ComponentInstance<'_>,
        weight: &mut Weight,
    ) -> Result<(), ComponentError> {
        let mut extent = Extent::ONE;
        match instance {
            ComponentInstance::Instantiate { component_index, args } => {
                let load = at(&self.components, *component_index);
                self.add(args.len() as u64);
                self.expand(load);
                extent.contain(load.interface);
                // Each argument is compared with the component's import.
                for arg in args {
                    weight.name(arg.name)?;
                    let (passed, _) = self.exported(arg.kind, arg.index);
                    self.use_type(passed);
                }
            }
            ComponentInstance::FromExports(exports) => {
                self.add(exports.len() as u64);
                for export in exports {
                    extent.size = extent.size.saturating_add(weight.name(export.name.name)?);
                    extent.contain(self.exported(export.kind, export.index).0);
                }
            }
        }
        weight.nest(extent)?;
        self.use_type(extent);
        self.spaces.instances.push(extent);
        Ok(())
    }

    fn alias(
        &mut self,
        alias: &ComponentAlias<'_>,
        around: &[Level],
        weight: &mut Weight,
    ) -> Result<(), ComponentError> {
        match *alias {
            ComponentAlias::InstanceExport {
                kind: ComponentExternalKind::Component | ComponentExternalKind::Module,
                ..
            } => return Err(ComponentError::HigherOrder),
            ComponentAlias::InstanceExport { kind, instance_index, name } => {
                weight.name(name)?;
                self.spaces.alias(kind, instance_index);
            }
            ComponentAlias::CoreInstanceExport { name, .. } => {
                weight.name(name)?;
            }
            ComponentAlias::Outer { kind, count, index } => {
                let outer = (count as usize)
                    .checked_sub(1)
                    .and_then(|count| around.iter().rev().nth(count))
                    .and_then(|level| if let Level::Component(outer) = level { Some(outer) } else { None });
                match kind {
                    ComponentOuterAliasKind::CoreModule => {
                        let load = at(&outer.unwrap_or(self).modules, index);
                        self.modules.push(load);
                    }
                    ComponentOuterAliasKind::Component => {
                        let load = at(&outer.unwrap_or(self).components, index);
                        self.components.push(load);
                    }
                    ComponentOuterAliasKind::Type => {
                        // The validator searches the whole type for items of the component that it comes from.
                        let extent = types::at(&outer.unwrap_or(self).spaces.types, index);
                        self.use_type(extent);
                        self.spaces.types.push(extent);
                    }
                    ComponentOuterAliasKind::CoreType => {}
                }
            }
        }
        Ok(())
    }

    /// The extent of an item of this component, with a reference of its kind.
    fn exported(&self, kind: ComponentExternalKind, index: u32) -> (Extent, ComponentTypeRef) {
        match kind {
            ComponentExternalKind::Func => {
                (types::at(&self.spaces.functions, index), ComponentTypeRef::Func(index))
            }
            ComponentExternalKind::Instance => {
                (types::at(&self.spaces.instances, index), ComponentTypeRef::Instance(index))
            }
            ComponentExternalKind::Type => {
                (types::at(&self.spaces.types, index), ComponentTypeRef::Type(TypeBounds::Eq(index)))
            }
            ComponentExternalKind::Component => {
                (at(&self.components, index).interface, ComponentTypeRef::Component(index))
            }
            ComponentExternalKind::Module | ComponentExternalKind::Value => {
                (Extent::ONE, ComponentTypeRef::Module(index))
            }
        }
    }

    /// Counts an import or export.
    fn pass(&mut self, name: &str, extent: Extent, weight: &mut Weight) -> Result<(), ComponentError> {
        let named = weight.name(name)?;
        self.load.interface.size = self.load.interface.size.saturating_add(named);
        self.load.interface.contain(extent);
        weight.nest(self.load.interface)?;
        self.use_type(extent);
        Ok(())
    }

    fn use_type(&mut self, extent: Extent) {
        self.load.uses = self.load.uses.saturating_add(extent.size);
    }

    /// Adds the contents of an instance.
    fn expand(&mut self, load: Load) {
        self.add_all(load.items);
        self.load.uses = self.load.uses.saturating_add(load.uses);
    }

    /// Adds one item and its parts.
    fn add(&mut self, more: u64) {
        self.add_all(more.saturating_add(1));
    }

    fn add_all(&mut self, items: u64) {
        self.load.items = self.load.items.saturating_add(items);
    }
}

fn at(loads: &[Load], index: u32) -> Load {
    loads.get(index as usize).copied().unwrap_or_default()
}
