//! The cost of compiling a function: values times the blocks in which they are live.
//!
//! The compiler uses a form in which each value is assigned once. At each join and at the start of each loop it needs
//! one more value for each local that is live there. So a local counts for the blocks from the start of the function,
//! where every local has a value, to its last use. A loop in which it is used counts to its end, because the local
//! may be live in the next iteration. Values that blocks, branches and calls pass on are added as they occur.
//!
//! The compiler also compares blocks in pairs, so the square of their number is added. Some instructions act as
//! blocks: those that access a table, which may be initialised lazily.

use wasmparser::{BlockType, FunctionBody, Operator};

use super::module::Module;
use super::{ComponentError, Measure};

/// Pairs of blocks that take the time of one value: 20,000 nested blocks take a second.
const BLOCK_PAIRS: u64 = 2048;

/// Blocks and values that the compiler makes for an instruction that accesses a table. 20,000 of them in one function
/// took 9 s and 360 MiB.
const TABLE_BLOCKS: u64 = 5;
const TABLE_VALUES: u64 = 25;

/// Estimates functions one after the other, with reused memory.
#[derive(Default)]
pub(super) struct Bodies {
    locals: Vec<Span>,
    /// The locals that the function uses, in the order of first use.
    used: Vec<u32>,
    /// The locals used in the outermost open loop.
    in_loop: Vec<u32>,
    labels: Vec<Label>,
    block: u32,
    /// Blocks that the compiler makes for single instructions.
    hidden_blocks: u64,
    /// Whether a loop is open.
    is_in_loop: bool,
    work: u64,
}

#[derive(Clone, Copy, Default)]
struct Span {
    is_used: bool,
    is_in_loop: bool,
    last: u32,
}

struct Label {
    /// Number of values that a branch to it passes.
    arity: u64,
    /// Whether it is a loop that is not nested in another loop.
    is_outermost_loop: bool,
}

impl Bodies {
    /// The cost of the next function of a module.
    pub(super) fn weigh(
        &mut self,
        body: &FunctionBody<'_>,
        module: &mut Module,
    ) -> Result<u64, ComponentError> {
        let ty = module.next_body();
        let mut locals = ty.parameters;
        for group in body.get_locals_reader()? {
            locals = locals.saturating_add(u64::from(group?.0));
            Measure::Locals.check(locals)?;
        }
        let locals = usize::try_from(locals).unwrap_or_default();
        if self.locals.len() < locals {
            self.locals.resize(locals, Span::default());
        }
        self.work = locals as u64;
        self.block = 0;
        self.hidden_blocks = 0;
        self.is_in_loop = false;
        self.labels.clear();
        self.labels.push(Label { arity: ty.results, is_outermost_loop: false });
        for operator in body.get_operators_reader()? {
            self.operator(&operator?, module);
        }
        self.in_loop.clear();
        for local in self.used.drain(..) {
            let span = std::mem::take(&mut self.locals[local as usize]);
            self.work = self.work.saturating_add(u64::from(span.last));
        }
        let blocks = self.hidden_blocks.saturating_add(self.block.into());
        self.add(blocks.saturating_mul(blocks) / BLOCK_PAIRS);
        Ok(self.work)
    }

    fn operator(&mut self, operator: &Operator<'_>, module: &Module) {
        self.add(1);
        match *operator {
            Operator::LocalGet { local_index }
            | Operator::LocalSet { local_index }
            | Operator::LocalTee { local_index } => self.touch(local_index),
            Operator::Block { blockty } | Operator::If { blockty } => self.open(blockty, false, module),
            Operator::Loop { blockty } => self.open(blockty, true, module),
            Operator::Else => {
                self.block += 1;
                self.add(self.labels.last().map_or(0, |label| label.arity));
            }
            Operator::End => self.close(),
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => {
                self.block += 1;
                self.add(self.arity(relative_depth));
            }
            Operator::BrTable { ref targets } => {
                self.block += 1;
                self.add(self.arity(targets.default()));
                for target in targets.targets().flatten() {
                    self.add(1 + self.arity(target));
                }
            }
            Operator::Return => self.add(self.labels.first().map_or(0, |label| label.arity)),
            Operator::Call { function_index } | Operator::ReturnCall { function_index } => {
                let ty = module.function(function_index);
                self.add(ty.parameters + ty.results);
            }
            Operator::CallIndirect { type_index, .. } | Operator::ReturnCallIndirect { type_index, .. } => {
                let ty = module.ty(type_index);
                self.add(ty.parameters + ty.results);
                self.look_into_table();
            }
            Operator::TableGet { .. }
            | Operator::TableSet { .. }
            | Operator::TableGrow { .. }
            | Operator::TableFill { .. }
            | Operator::TableCopy { .. }
            | Operator::TableInit { .. } => self.look_into_table(),
            _ => {}
        }
    }

    fn look_into_table(&mut self) {
        self.hidden_blocks += TABLE_BLOCKS;
        self.add(TABLE_VALUES);
    }

    fn add(&mut self, values: u64) {
        self.work = self.work.saturating_add(values);
    }

    fn arity(&self, depth: u32) -> u64 {
        self.labels.iter().rev().nth(depth as usize).map_or(0, |label| label.arity)
    }

    fn touch(&mut self, local: u32) {
        let Some(span) = self.locals.get_mut(local as usize) else { return };
        if !span.is_used {
            span.is_used = true;
            self.used.push(local);
        }
        span.last = self.block;
        if self.is_in_loop && !span.is_in_loop {
            span.is_in_loop = true;
            self.in_loop.push(local);
        }
    }

    fn open(&mut self, ty: BlockType, is_loop: bool, module: &Module) {
        let (parameters, results) = match ty {
            BlockType::Empty => (0, 0),
            BlockType::Type(_) => (0, 1),
            BlockType::FuncType(index) => {
                let ty = module.ty(index);
                (ty.parameters, ty.results)
            }
        };
        let is_outermost_loop = is_loop && !self.is_in_loop;
        self.is_in_loop |= is_loop;
        self.block += 1;
        self.add(parameters + results);
        self.labels.push(Label { arity: if is_loop { parameters } else { results }, is_outermost_loop });
    }

    fn close(&mut self) {
        self.block += 1;
        let Some(label) = self.labels.pop() else { return };
        if label.is_outermost_loop {
            self.is_in_loop = false;
            for local in self.in_loop.drain(..) {
                let span = &mut self.locals[local as usize];
                span.is_in_loop = false;
                span.last = self.block;
            }
        }
    }
}
