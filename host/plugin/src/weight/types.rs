//! The types of a component, read declaration by declaration.
//!
//! Declarations nest, and a recursive reader could exhaust its stack. This reader keeps the open types in a list and
//! builds none of them. It records only the extent of a type with all named types inserted, because as much is copied
//! and compared at each use.

use wasmparser::{
    BinaryReader, ComponentAlias, ComponentExternName, ComponentExternalKind, ComponentOuterAliasKind,
    ComponentTypeRef, ComponentValType, CompositeInnerType, CoreType, ModuleTypeDeclaration, RecGroup,
    TypeBounds, ValType,
};

use super::{ComponentError, Level, Weight};

/// The size of a type.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Extent {
    /// Number of its parts, including those of every type that it names.
    pub(super) size: u64,
    /// Depth of nesting.
    pub(super) depth: u64,
}

impl Extent {
    /// Something without parts.
    pub(super) const ONE: Self = Self { size: 1, depth: 1 };

    /// Adds a nested type.
    pub(super) fn contain(&mut self, part: Self) {
        self.size = self.size.saturating_add(part.size);
        self.depth = self.depth.max(part.depth.saturating_add(1));
    }
}

/// Indexed items: the extents of types, instances and functions.
#[derive(Default)]
pub(super) struct Spaces {
    pub(super) types: Vec<Extent>,
    pub(super) instances: Vec<Extent>,
    pub(super) functions: Vec<Extent>,
}

impl Spaces {
    /// The extent of the type of an import or declaration.
    pub(super) fn referred(&self, ty: ComponentTypeRef) -> Extent {
        match ty {
            ComponentTypeRef::Func(index)
            | ComponentTypeRef::Instance(index)
            | ComponentTypeRef::Component(index)
            | ComponentTypeRef::Type(TypeBounds::Eq(index))
            | ComponentTypeRef::Value(ComponentValType::Type(index)) => at(&self.types, index),
            ComponentTypeRef::Type(TypeBounds::SubResource)
            | ComponentTypeRef::Value(ComponentValType::Primitive(_))
            | ComponentTypeRef::Module(_) => Extent::ONE,
        }
    }

    /// Assigns the next index of its kind.
    pub(super) fn add(&mut self, kind: ComponentTypeRef, extent: Extent) {
        match kind {
            ComponentTypeRef::Func(_) => self.functions.push(extent),
            ComponentTypeRef::Instance(_) => self.instances.push(extent),
            ComponentTypeRef::Type(_) => self.types.push(extent),
            ComponentTypeRef::Module(_) | ComponentTypeRef::Value(_) | ComponentTypeRef::Component(_) => {}
        }
    }

    /// Assigns the next index of a kind to an export of an instance. The extent of the whole instance is used, which
    /// is never too small.
    pub(super) fn alias(&mut self, kind: ComponentExternalKind, instance: u32) {
        let extent = at(&self.instances, instance);
        match kind {
            ComponentExternalKind::Func => self.functions.push(extent),
            ComponentExternalKind::Instance => self.instances.push(extent),
            ComponentExternalKind::Type => self.types.push(extent),
            _ => {}
        }
    }
}

/// The extent at an index. An invalid index counts as little.
pub(super) fn at(extents: &[Extent], index: u32) -> Extent {
    extents.get(index as usize).copied().unwrap_or(Extent::ONE)
}

/// A type of a component or an instance whose declarations are being read.
struct Open {
    declarations: u32,
    extent: Extent,
    spaces: Spaces,
}

/// Reads the types of a component.
pub(super) struct Types<'a, 'b> {
    pub(super) reader: BinaryReader<'a>,
    /// The types of the component.
    pub(super) own: &'b Spaces,
    /// The enclosing levels, the outermost first.
    pub(super) around: &'b [Level],
    pub(super) weight: &'b mut Weight,
}

impl Types<'_, '_> {
    /// The extent of the next type.
    pub(super) fn next(&mut self) -> Result<Extent, ComponentError> {
        let mut open: Vec<Open> = Vec::new();
        let mut ended = self.start(&mut open)?;
        loop {
            let Some(innermost) = open.last_mut() else { return Ok(ended.unwrap_or_default()) };
            if let Some(extent) = ended.take() {
                innermost.spaces.types.push(extent);
            }
            if let Some(left) = innermost.declarations.checked_sub(1) {
                innermost.declarations = left;
                ended = self.declaration(&mut open)?;
            } else {
                ended = open.pop().map(|open| open.extent);
            }
        }
    }

    /// Reads a type up to its end, or up to its first declaration.
    fn start(&mut self, open: &mut Vec<Open>) -> Result<Option<Extent>, ComponentError> {
        self.weight.declare()?;
        let kind = self.reader.read_u8()?;
        if let 0x41 | 0x42 = kind {
            let declarations = self.reader.read_var_u32()?;
            open.push(Open { declarations, extent: Extent::ONE, spaces: Spaces::default() });
            self.weight.deepen(self.around.len() + 1 + open.len())?;
            return Ok(None);
        }
        let own = open.last().map_or(self.own, |open| &open.spaces);
        let mut leaf =
            Leaf { reader: &mut self.reader, types: &own.types, weight: self.weight, extent: Extent::ONE };
        leaf.read(kind)?;
        let extent = leaf.extent;
        self.weight.nest(extent)?;
        Ok(Some(extent))
    }

    /// Reads a declaration. Returns a type that ends here.
    fn declaration(&mut self, open: &mut Vec<Open>) -> Result<Option<Extent>, ComponentError> {
        let kind = self.reader.read_u8()?;
        if kind == 0x01 {
            return self.start(open);
        }
        self.weight.declare()?;
        match kind {
            0x00 => core_type(&mut self.reader, self.weight)?,
            0x02 => {
                let alias = self.reader.read::<ComponentAlias<'_>>()?;
                self.alias(&alias, open)?;
            }
            // An import or an export.
            _ => {
                let name = self.reader.read::<ComponentExternName<'_>>()?;
                let ty = self.reader.read::<ComponentTypeRef>()?;
                if let Some(innermost) = open.last_mut() {
                    let named = self.weight.name(name.name)?;
                    let referred = innermost.spaces.referred(ty);
                    innermost.extent.size = innermost.extent.size.saturating_add(named);
                    innermost.extent.contain(referred);
                    innermost.spaces.add(ty, referred);
                    self.weight.nest(innermost.extent)?;
                    self.weight.use_type(referred)?;
                }
            }
        }
        Ok(None)
    }

    fn alias(&mut self, alias: &ComponentAlias<'_>, open: &mut [Open]) -> Result<(), ComponentError> {
        let Some((innermost, outer)) = open.split_last_mut() else { return Ok(()) };
        match *alias {
            ComponentAlias::InstanceExport { kind, instance_index, name } => {
                self.weight.name(name)?;
                innermost.spaces.alias(kind, instance_index);
            }
            ComponentAlias::CoreInstanceExport { name, .. } => {
                self.weight.name(name)?;
            }
            ComponentAlias::Outer { kind: ComponentOuterAliasKind::Type, count, index } => {
                let count = count as usize;
                let extent = match count.checked_sub(1) {
                    None => at(&innermost.spaces.types, index),
                    Some(count) if count < outer.len() => outer
                        .iter()
                        .rev()
                        .nth(count)
                        .map_or(Extent::ONE, |open| at(&open.spaces.types, index)),
                    Some(count) => match count - outer.len() {
                        0 => at(&self.own.types, index),
                        // The validator searches the whole type for items of the component that it comes from.
                        beyond => {
                            let extent = outer_type(self.around, beyond, index);
                            self.weight.use_type(extent)?;
                            extent
                        }
                    },
                };
                innermost.spaces.types.push(extent);
            }
            ComponentAlias::Outer { .. } => {}
        }
        Ok(())
    }
}

/// The type at an index of a component that many levels further out.
fn outer_type(around: &[Level], beyond: usize, index: u32) -> Extent {
    match beyond.checked_sub(1).and_then(|beyond| around.iter().rev().nth(beyond)) {
        Some(Level::Component(component)) => at(&component.spaces.types, index),
        _ => Extent::ONE,
    }
}

/// A type without nested declarations.
struct Leaf<'a, 'b> {
    reader: &'b mut BinaryReader<'a>,
    types: &'b [Extent],
    weight: &'b mut Weight,
    extent: Extent,
}

impl Leaf<'_, '_> {
    fn read(&mut self, kind: u8) -> Result<(), ComponentError> {
        match kind {
            // A resource, with or without a destructor. Its representation may be a reference of several bytes.
            0x3f => {
                self.reader.read::<ValType>()?;
                if self.reader.read_u8()? == 1 {
                    self.reader.read_var_u32()?;
                }
            }
            // Functions.
            0x40 | 0x43 => {
                self.each(|leaf| {
                    leaf.name()?;
                    leaf.value()
                })?;
                if self.reader.read_u8()? == 0 {
                    self.value()?;
                } else {
                    self.reader.read_u8()?;
                }
            }
            // Records.
            0x72 => self.each(|leaf| {
                leaf.name()?;
                leaf.value()
            })?,
            // Variants.
            0x71 => self.each(|leaf| {
                leaf.name()?;
                leaf.optional()?;
                leaf.reader.read_u8()?;
                Ok(())
            })?,
            // Tuples.
            0x6f => self.each(Self::value)?,
            // Flags and enums.
            0x6e | 0x6d => self.each(Self::name)?,
            // Lists and options.
            0x70 | 0x6b => self.value()?,
            // Maps.
            0x63 => {
                self.value()?;
                self.value()?;
            }
            // Results.
            0x6a => {
                self.optional()?;
                self.optional()?;
            }
            // Handles.
            0x69 | 0x68 => {
                self.reader.read_var_u32()?;
            }
            // Lists of a fixed length.
            0x67 => {
                self.value()?;
                self.reader.read_var_u32()?;
            }
            // Streams and futures.
            0x66 | 0x65 => self.optional()?,
            // The others have one byte, or are invalid, and then the rest is invalid too.
            _ => {}
        }
        Ok(())
    }

    fn each(&mut self, part: impl Fn(&mut Self) -> Result<(), ComponentError>) -> Result<(), ComponentError> {
        for _ in 0..self.reader.read_var_u32()? {
            self.weight.declare()?;
            part(self)?;
        }
        Ok(())
    }

    fn name(&mut self) -> Result<(), ComponentError> {
        let name = self.reader.read_string()?;
        self.extent.size = self.extent.size.saturating_add(self.weight.name(name)?);
        Ok(())
    }

    fn value(&mut self) -> Result<(), ComponentError> {
        let value = match self.reader.read::<ComponentValType>()? {
            ComponentValType::Primitive(_) => Extent::ONE,
            ComponentValType::Type(index) => at(self.types, index),
        };
        self.extent.contain(value);
        Ok(())
    }

    fn optional(&mut self) -> Result<(), ComponentError> {
        if self.reader.read_u8()? == 1 { self.value() } else { Ok(()) }
    }
}

/// Reads a type of a module, or of a value in one.
pub(super) fn core_type(reader: &mut BinaryReader<'_>, weight: &mut Weight) -> Result<(), ComponentError> {
    const MODULE: u8 = 0x50;
    weight.declare()?;
    if next(reader) != Some(MODULE) {
        refuse_groups(reader)?;
        reader.read::<CoreType<'_>>()?;
        return Ok(());
    }
    reader.read_u8()?;
    for _ in 0..reader.read_var_u32()? {
        weight.declare()?;
        if next(reader) == Some(0x01) {
            reader.read_u8()?;
            group(reader, weight)?;
            continue;
        }
        match reader.read::<ModuleTypeDeclaration<'_>>()? {
            ModuleTypeDeclaration::Import(import) => {
                weight.name(import.module)?;
                weight.name(import.name)?;
            }
            ModuleTypeDeclaration::Export { name, .. } => {
                weight.name(name)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// The types of a module: how many parameters and results each function has.
pub(super) fn group(reader: &mut BinaryReader<'_>, weight: &mut Weight) -> Result<RecGroup, ComponentError> {
    refuse_groups(reader)?;
    let group = reader.read::<RecGroup>()?;
    for ty in group.types() {
        weight.declare()?;
        if let CompositeInnerType::Func(function) = &ty.composite_type.inner {
            weight.declare_all((function.params().len() + function.results().len()) as u64)?;
        }
    }
    Ok(group)
}

/// A recursive group is read as a whole, and may have a million types.
fn refuse_groups(reader: &BinaryReader<'_>) -> Result<(), ComponentError> {
    const GROUP: u8 = 0x4e;
    if next(reader) == Some(GROUP) { Err(ComponentError::RecursiveTypes) } else { Ok(()) }
}

fn next(reader: &BinaryReader<'_>) -> Option<u8> {
    reader.clone().read_u8().ok()
}
