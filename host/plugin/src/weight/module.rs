//! The parts of a module outside of function bodies, and the types of functions.

use wasmparser::{
    BinaryReader, CompositeInnerType, DataKind, DataSectionReader, ElementItems, MemoryType, Operator,
    Payload, TypeRef,
};

use super::{ComponentError, Weight, types};

/// Number of parameters and results.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Arity {
    pub(super) parameters: u64,
    pub(super) results: u64,
}

/// A module that is being read.
#[derive(Default)]
pub(super) struct Module {
    /// Number of imports, which every instance looks up.
    pub(super) imports: u64,
    /// Number of exports, which every instance has.
    pub(super) exports: u64,
    types: Vec<Arity>,
    /// The type of each function, imported ones first.
    functions: Vec<u32>,
    imported_functions: usize,
    bodies: usize,
    /// Its memories, imported ones as `None`.
    memories: Vec<Option<MemoryType>>,
}

/// The largest span of data that the engine always merges into one image, wasmtime's default.
const IMAGE_BYTES: u64 = 16 << 20;

impl Module {
    /// Reads a section of the module. The ranges in `payload` refer to `bytes`.
    pub(super) fn read(
        &mut self,
        payload: Payload<'_>,
        bytes: &[u8],
        weight: &mut Weight,
    ) -> Result<(), ComponentError> {
        match payload {
            Payload::TypeSection(section) => {
                let range = section.range();
                let mut reader = BinaryReader::new(&bytes[range.clone()], range.start);
                for _ in 0..reader.read_var_u32()? {
                    let group = types::group(&mut reader, weight)?;
                    self.types.extend(group.types().map(|ty| match &ty.composite_type.inner {
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
                    let import = import?;
                    weight.declare()?;
                    weight.name(import.module)?;
                    weight.name(import.name)?;
                    self.imports += 1;
                    match import.ty {
                        TypeRef::Func(ty) | TypeRef::FuncExact(ty) => {
                            self.functions.push(ty);
                            self.imported_functions += 1;
                        }
                        TypeRef::Global(_) => weight.globals += 1,
                        TypeRef::Memory(_) => self.memories.push(None),
                        _ => {}
                    }
                }
            }
            Payload::ExportSection(section) => {
                for export in section {
                    weight.declare()?;
                    weight.name(export?.name)?;
                    self.exports += 1;
                }
            }
            Payload::FunctionSection(section) => {
                weight.expect_functions(section.count())?;
                for ty in section {
                    self.functions.push(ty?);
                }
            }
            Payload::GlobalSection(section) => weight.globals += u64::from(section.count()),
            Payload::TagSection(section) => weight.declare_all(u64::from(section.count()))?,
            Payload::MemorySection(section) => {
                weight.memories += u64::from(section.count());
                weight.check()?;
                for memory in section {
                    self.memories.push(Some(memory?));
                }
            }
            Payload::DataSection(section) => {
                let segments = u64::from(section.count());
                if !self.is_one_image(section)? {
                    weight.segments += segments;
                }
            }
            Payload::TableSection(section) => {
                weight.declare_all(u64::from(section.count()))?;
                for table in section {
                    weight.table_elements = weight.table_elements.saturating_add(table?.ty.initial);
                }
            }
            Payload::ElementSection(section) => {
                weight.declare_all(u64::from(section.count()))?;
                for element in section {
                    let items = match element?.items {
                        ElementItems::Functions(functions) => functions.count(),
                        ElementItems::Expressions(_, expressions) => expressions.count(),
                    };
                    weight.table_elements = weight.table_elements.saturating_add(u64::from(items));
                    weight.check()?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether the engine merges all segments into one image during compilation. Otherwise it makes code for each.
    fn is_one_image(&self, section: DataSectionReader<'_>) -> Result<bool, ComponentError> {
        let mut span: Option<(u64, u64)> = None;
        for data in section {
            let data = data?;
            let DataKind::Active { memory_index: 0, offset_expr } = data.kind else { return Ok(false) };
            let mut operators = offset_expr.get_operators_reader();
            let start = match (operators.read()?, operators.read()?) {
                (Operator::I32Const { value }, Operator::End) => u64::from(value.cast_unsigned()),
                _ => return Ok(false),
            };
            let end = start.saturating_add(data.data.len() as u64);
            span = Some(span.map_or((start, end), |(first, last)| (first.min(start), last.max(end))));
        }
        let Some((first, last)) = span else { return Ok(true) };
        Ok(match self.memories.first() {
            Some(Some(MemoryType { memory64: false, initial, page_size_log2: None, .. })) => {
                last <= initial.saturating_mul(1 << 16) && last - first <= IMAGE_BYTES
            }
            _ => false,
        })
    }

    /// The type of the next function with a body.
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
