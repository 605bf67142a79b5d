use crate::normal::Normal;

/// What of `offered` a machine of the wanted platform can run, the closest first. May have more than that, but
/// nothing that the machine cannot run. Empty if the variant of an `arm64` is not in containerd's table.
pub(crate) fn vector(wanted: &Normal, offered: &[Normal]) -> Vec<Normal> {
    match wanted.architecture.as_str() {
        "amd64" => {
            let mut vector = vec![wanted.clone()];
            vector.extend(below(wanted, 1, offered));
            vector.push(wanted.on("386", String::new()));
            vector
        }
        "arm" => {
            let mut vector = vec![wanted.clone()];
            vector.extend(below(wanted, 5, offered));
            vector
        }
        "arm64" => arm64(wanted),
        _ => vec![wanted.clone()],
    }
}

/// The wanted platform at each offered version below its own, downwards to `last`; none if its variant is not a
/// version.
///
/// containerd counts down from any number. Going by what is offered gives the same ranking, and leaves it to no
/// number of the user's how long this takes.
fn below(wanted: &Normal, last: i64, offered: &[Normal]) -> Vec<Normal> {
    let version = |variant: &str| variant.strip_prefix('v').unwrap_or(variant).parse::<i64>().ok();
    let Some(highest) = version(&wanted.variant) else { return Vec::new() };
    let is_below = |offer: &&Normal| {
        // The first level of amd64 has no name of its own.
        let offer = if offer.variant.is_empty() { Some(1) } else { version(&offer.variant) };
        offer.is_some_and(|offer| (last..highest).contains(&offer))
    };
    let same = offered.iter().filter(|offer| offer.architecture == wanted.architecture).filter(is_below);
    let mut variants: Vec<(i64, &str)> =
        same.map(|offer| (version(&offer.variant).unwrap_or(1), offer.variant.as_str())).collect();
    variants.sort_unstable_by(|a, b| b.cmp(a));
    variants.dedup();
    // `v3` is a name of version 3, `3` and `v03` are not.
    variants.retain(|(version, variant)| variant.is_empty() || *variant == format!("v{version}"));
    variants.into_iter().map(|(_, variant)| wanted.on(&wanted.architecture, variant.to_owned())).collect()
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
