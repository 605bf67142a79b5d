use crate::normal::Normal;

/// What a machine of the wanted platform can run, the closest first. Empty if the variant of an `arm64` is not
/// in containerd's table.
pub(crate) fn vector(wanted: &Normal) -> Vec<Normal> {
    match wanted.architecture.as_str() {
        "amd64" => {
            let levels = below(&wanted.variant, 1).map(|level| match level {
                1 => wanted.on("amd64", String::new()),
                level => wanted.on("amd64", format!("v{level}")),
            });
            let mut vector = vec![wanted.clone()];
            vector.extend(levels);
            vector.push(wanted.on("386", String::new()));
            vector
        }
        "arm" => {
            let mut vector = vec![wanted.clone()];
            vector.extend(below(&wanted.variant, 5).map(|version| wanted.on("arm", format!("v{version}"))));
            vector
        }
        "arm64" => arm64(wanted),
        _ => vec![wanted.clone()],
    }
}

/// The versions below that of `variant`, downwards to `last`; none if it is not a version.
///
/// A version has one byte. containerd counts down from any number, but there is no such processor, and a
/// number of the user's must not decide how long this takes.
fn below(variant: &str, last: u8) -> impl Iterator<Item = u8> {
    let version = variant.strip_prefix('v').unwrap_or(variant).parse::<u8>().unwrap_or(0);
    (last..version).rev()
}

/// Every listed 64-bit variant can also run 32-bit programs of version 8 and below.
fn arm64(wanted: &Normal) -> Vec<Normal> {
    let Some((nine, eight)) = arm64_minors(&wanted.variant) else {
        return Vec::new();
    };
    let variant = |major: u8, minor: u8| match (major, minor) {
        (8, 0) => String::new(),
        (_, 0) => format!("v{major}"),
        _ => format!("v{major}.{minor}"),
    };
    let downwards = |major: u8, minor: u8| (0..=minor).rev().map(move |minor| variant(major, minor));
    let mut vector: Vec<Normal> = nine
        .into_iter()
        .flat_map(|minor| downwards(9, minor))
        .chain(downwards(8, eight))
        .map(|variant| wanted.on("arm64", variant))
        .collect();
    vector.extend((5..=8_u8).rev().map(|version| wanted.on("arm", format!("v{version}"))));
    vector
}

/// The highest minor versions of ARMv9 and ARMv8 that a variant in normal form includes. ARMv9.x is the
/// successor of ARMv8.(x+5), and there is no ARMv8 after 8.9.
fn arm64_minors(variant: &str) -> Option<(Option<u8>, u8)> {
    match variant {
        "" => Some((None, 0)),
        "v9" => Some((Some(0), 5)),
        _ => {
            let (major, minor) = variant.split_once('.')?;
            let digit = minor.len() == 1;
            let minor = minor.parse::<u8>().ok().filter(|_| digit)?;
            match (major, minor) {
                ("v8", 1..=9) => Some((None, minor)),
                ("v9", 1..=7) => Some((Some(minor), (minor + 5).min(9))),
                _ => None,
            }
        }
    }
}
