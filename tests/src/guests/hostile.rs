//! Components that cost much to read or compile for their size: a snapshotter plugin with additions.
//!
//! They are assembled byte by byte. Tools that write components refuse some of them, or take as long as the reader.

use std::fmt::Write as _;

use dray::plugin::PluginSource;

/// The header of a component.
pub const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// Kinds of sections.
const CUSTOM: u8 = 0;
const MODULE: u8 = 1;
const INSTANCE: u8 = 2;
const NESTED: u8 = 4;
const NESTED_INSTANCE: u8 = 5;
const TYPE: u8 = 7;
const IMPORT: u8 = 10;

/// A number in LEB128.
pub fn leb(mut number: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let byte = (number & 0x7f).to_le_bytes()[0];
        number >>= 7;
        if number == 0 {
            bytes.push(byte);
            return bytes;
        }
        bytes.push(byte | 0x80);
    }
}

/// A section.
pub fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &leb(content.len()), content].concat()
}

/// A section with several entries.
fn entries(id: u8, entries: &[Vec<u8>]) -> Vec<u8> {
    section(id, &[leb(entries.len()), entries.concat()].concat())
}

fn text(text: &str) -> Vec<u8> {
    [&leb(text.len()), text.as_bytes()].concat()
}

/// The embedded plugin for overlayfs, with additional sections.
pub fn overlayfs(more: &[Vec<u8>]) -> Vec<u8> {
    let source = PluginSource::embedded("overlayfs").expect("it comes along");
    [source.bytes(), &more.concat()].concat()
}

/// The same, with a nested component that has these sections.
fn inner(sections: &[Vec<u8>]) -> Vec<u8> {
    overlayfs(&[section(NESTED, &[COMPONENT, &sections.concat()].concat())])
}

/// The number of modules or components at the outermost level of the embedded plugin.
fn count(kind: u8) -> usize {
    let source = PluginSource::embedded("overlayfs").expect("it comes along");
    let mut rest = &source.bytes()[COMPONENT.len()..];
    let mut count = 0;
    while let [id, after @ ..] = rest {
        let digits = after.iter().take_while(|byte| **byte >= 0x80).count() + 1;
        let digit = |(at, byte): (usize, &u8)| usize::from(byte & 0x7f) << (7 * at);
        let size: usize = after[..digits].iter().enumerate().map(digit).sum();
        count += usize::from(*id == kind);
        rest = &after[digits + size..];
    }
    count
}

/// A section that instantiates components by their indices.
fn instances(indices: &[usize]) -> Vec<u8> {
    let each: Vec<Vec<u8>> = indices.iter().map(|index| [&[0][..], &leb(*index), &[0]].concat()).collect();
    entries(NESTED_INSTANCE, &each)
}

/// Components each of which instantiates the next one several times.
pub fn multiplying(levels: usize, times: usize) -> Vec<u8> {
    let mut inner = COMPONENT.to_vec();
    for _ in 0..levels {
        inner = [COMPONENT, &section(NESTED, &inner), &instances(&vec![0; times])].concat();
    }
    overlayfs(&[section(NESTED, &inner), instances(&[count(NESTED)])])
}

/// Nested components.
pub fn nested(levels: usize) -> Vec<u8> {
    // From the inside out, and so backwards: the sizes come before their contents.
    let mut backwards: Vec<u8> = COMPONENT.iter().rev().copied().collect();
    for _ in 0..levels {
        let header = [COMPONENT, &[NESTED], &leb(backwards.len())].concat();
        backwards.extend(header.iter().rev());
    }
    backwards.reverse();
    overlayfs(&[section(NESTED, &backwards)])
}

/// A module, several times.
pub fn modules(text: &str, times: usize) -> Vec<u8> {
    let module = section(MODULE, &wat::parse_str(text).unwrap_or_else(|error| panic!("{error}")));
    overlayfs(&vec![module; times])
}

/// An empty module with many instances.
pub fn module_instances(times: usize) -> Vec<u8> {
    let module = section(MODULE, b"\0asm\x01\0\0\0");
    let instance = [&[0][..], &leb(count(MODULE)), &[0]].concat();
    overlayfs(&[module, entries(INSTANCE, &vec![instance; times])])
}

/// Many locals that are live in many loops.
pub fn locals_in_loops(locals: usize, loops: usize) -> Vec<u8> {
    let mut uses = String::new();
    for local in 1..=locals {
        let _ = writeln!(uses, "local.get {local} i64.const 1 i64.add local.set {local}");
    }
    let text = format!(
        "(module (func (param i32) (local {types}) {start} {uses} {end}))",
        types = "i64 ".repeat(locals),
        start = "loop ".repeat(loops),
        end = "local.get 0 br_if 0 end ".repeat(loops),
    );
    modules(&text, 1)
}

/// Functions with unused locals.
pub fn idle_locals(functions: usize, locals: usize) -> Vec<u8> {
    let body = [&[1][..], &leb(locals), &[0x7e, 0x0b]].concat();
    let body = [leb(body.len()), body].concat();
    let module = [
        &b"\0asm\x01\0\0\0"[..],
        &section(1, &[1, 0x60, 0, 0]),
        &section(3, &[leb(functions), vec![0; functions]].concat()),
        &section(10, &[leb(functions), body.repeat(functions)].concat()),
    ];
    overlayfs(&[section(MODULE, &module.concat())])
}

/// Types of components, or of instances, nested in one another.
pub fn types_in_types(levels: usize, of_instances: bool) -> Vec<u8> {
    let kind = if of_instances { 0x42 } else { 0x41 };
    // Each has one declaration, which is a type. The innermost has none.
    let ty = [[kind, 1, 1].repeat(levels), vec![kind, 0]].concat();
    inner(&[entries(TYPE, &[ty])])
}

/// Types of instances, each of which exports an instance of the previous type.
pub fn instances_of_types(levels: usize) -> Vec<u8> {
    let mut types = vec![vec![0x42, 0]];
    for level in 0..levels {
        // An alias of the type one level further out, and an export of that type.
        let alias = [&[2, 3, 2, 1][..], &leb(level)].concat();
        let export = [&[4, 0][..], &text("a"), &[5, 0]].concat();
        types.push([&[0x42, 2][..], &alias, &export].concat());
    }
    inner(&[entries(TYPE, &types)])
}

/// Instances, each of which contains the previous one.
pub fn instances_in_instances(levels: usize) -> Vec<u8> {
    let mut instances = vec![vec![1, 0]];
    for level in 0..levels {
        instances.push([&[1, 1, 0][..], &text("a"), &[5], &leb(level)].concat());
    }
    inner(&[entries(NESTED_INSTANCE, &instances)])
}

/// The type of an instance with a resource and long export names, imported under many names.
pub fn repeated_import(exports: usize, name_bytes: usize, imports: usize) -> Vec<u8> {
    let mut declarations = vec![[&[4, 0][..], &text("r"), &[3, 1]].concat()];
    for number in 0..exports {
        let name = format!("a{number}{}", "a".repeat(name_bytes));
        declarations.push([&[4, 0][..], &text(&name), &[3, 0, 0]].concat());
    }
    let ty = [&[0x42][..], &leb(declarations.len()), &declarations.concat()].concat();
    let imported = |number: usize| {
        let name = format!("i{number}");
        [&[0][..], &text(&name), &[5], &leb(0)].concat()
    };
    let imports: Vec<Vec<u8>> = (0..imports).map(imported).collect();
    inner(&[entries(TYPE, &[ty]), entries(IMPORT, &imports)])
}

/// A function with a wide tuple, exported many times with an equal type.
pub fn compared_tuples(width: usize, times: usize) -> Vec<u8> {
    let tuple = [&[0x6f][..], &leb(width), &vec![0x7d; width]].concat();
    let function = |tuple: usize| [&[0x40, 1][..], &text("x"), &leb_signed(tuple), &[1, 0]].concat();
    let types = [tuple.clone(), function(0), tuple, function(2)];
    let import = [&[0][..], &text("f"), &[1], &leb(1)].concat();
    let exports: Vec<Vec<u8>> = (0..times)
        .map(|number| {
            let name = format!("e{number}");
            [&[0][..], &text(&name), &[1], &leb(0), &[1, 1], &leb(3)].concat()
        })
        .collect();
    inner(&[entries(TYPE, &types), entries(IMPORT, &[import]), entries(11, &exports)])
}

/// Tuples of two of the previous tuple: the number of parts doubles with each.
pub fn doubling_tuples(levels: usize, imports: usize) -> Vec<u8> {
    let mut types = vec![vec![0x6f, 1, 0x7d]];
    for level in 0..levels {
        types.push([&[0x6f, 2][..], &leb_signed(level), &leb_signed(level)].concat());
    }
    types.push([&[0x40, 1][..], &text("x"), &leb_signed(levels), &[1, 0]].concat());
    let imports: Vec<Vec<u8>> = (0..imports)
        .map(|number| [&[0][..], &text(&format!("f{number}")), &[1], &leb(levels + 1)].concat())
        .collect();
    inner(&[entries(TYPE, &types), entries(IMPORT, &imports)])
}

/// Custom sections that name producers, many times.
pub fn producers(times: usize) -> Vec<u8> {
    let values = [leb(times), [1, b'a', 0].repeat(times)].concat();
    let content = [text("producers"), vec![1], text("language"), values].concat();
    overlayfs(&[section(CUSTOM, &content)])
}

/// Modules with long export names.
pub fn long_names(names: usize, bytes: usize) -> Vec<u8> {
    let name = |number: usize| format!("{number}{}", "n".repeat(bytes));
    let exports: Vec<Vec<u8>> = (0..names).map(|number| [text(&name(number)), vec![0, 0]].concat()).collect();
    let module = [
        &b"\0asm\x01\0\0\0"[..],
        &section(1, &[1, 0x60, 0, 0]),
        &section(3, &[1, 0]),
        &entries(7, &exports),
        &section(10, &[1, 2, 0, 0x0b]),
    ];
    overlayfs(&[section(MODULE, &module.concat())])
}

/// A recursive group of types, which readers build as a whole.
pub fn recursive_types(types: usize) -> Vec<u8> {
    let group = [&[0x4e][..], &leb(types), &[0x60, 0, 0].repeat(types)].concat();
    let module = [&b"\0asm\x01\0\0\0"[..], &section(1, &[&[1], &group[..]].concat())].concat();
    overlayfs(&[section(MODULE, &module)])
}

/// Data of a module in segments of one byte: close together, so that the engine merges them into one image, or too
/// far apart for that.
pub fn data_segments(segments: usize, is_one_image: bool) -> Vec<u8> {
    let distance = if is_one_image { 2 } else { 1000 };
    let segment = |number: usize| [&[0, 0x41][..], &leb_signed(distance * number), &[0x0b, 1, 1]].concat();
    let segments: Vec<Vec<u8>> = (0..segments).map(segment).collect();
    let memory = [&[1, 0][..], &leb(segments.len() * distance / 65_536 + 1)].concat();
    let module = [&b"\0asm\x01\0\0\0"[..], &section(5, &memory), &entries(11, &segments)].concat();
    overlayfs(&[section(MODULE, &module)])
}

/// Globals of a module.
pub fn globals(globals: usize) -> Vec<u8> {
    let globals = vec![vec![0x7f, 1, 0x41, 0, 0x0b]; globals];
    let module = [&b"\0asm\x01\0\0\0"[..], &entries(6, &globals)].concat();
    overlayfs(&[section(MODULE, &module)])
}

/// A function that repeats these instructions, in a module with a table and a memory.
pub fn instructions(before: &str, repeated: &str, after: &str, times: usize) -> Vec<u8> {
    let text = format!(
        "(module (type $t (func)) (table 10 funcref) (table 10 funcref) (memory 1)
           (func (param i32) {} {} {}))",
        before.repeat(times),
        repeated.repeat(times),
        after.repeat(times),
    );
    modules(&text, 1)
}

fn leb_signed(number: usize) -> Vec<u8> {
    let mut bytes = leb(number);
    // The second highest bit of the last byte is the sign.
    if let Some(last) = bytes.last_mut()
        && *last & 0x40 != 0
    {
        *last |= 0x80;
        bytes.push(0);
    }
    bytes
}
