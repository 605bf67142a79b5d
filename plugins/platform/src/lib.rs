//! Chooses among the platforms of an image as containerd does.
//!
//! The rules are those of containerd's `platforms` library, 1.0.0-rc.5, with its matchers chosen by
//! configuration: `{"matcher": "only-strict"}`.
//!
//! | matcher | matches | best first |
//! |---|---|---|
//! | `only-strict` | exactly the wanted platforms | in the order of the wanted ones |
//! | `only` | the wanted platforms and what they can run besides | the same, the closest first |
//! | `ordered` | as `only-strict`, by the name that containerd has for lists | in the order of the wanted ones |
//! | `any` | exactly the wanted platforms | none before another |
//! | `all` | everything | none before another |
//!
//! Within one wanted platform, and with `any` among all matches, more features of the operating system are
//! better. Whatever is equally good stays in the order of the index.

mod fallback;
mod matcher;
mod normal;
mod windows;

use dray_plugin::platform::Platform;
use dray_plugin::{Error, PlatformPlugin, Plugin};
use serde::Deserialize;

use matcher::Matcher;
use normal::Normal;

struct Platforms;

dray_plugin::export_platform!(Platforms);

/// The configuration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    matcher: Rule,
}

/// The matchers of containerd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Rule {
    #[default]
    OnlyStrict,
    Only,
    Ordered,
    Any,
    All,
}

const CONFIG_SCHEMA: &str = r#"{
  "$schema": "https://json-schema.org/draft/2020-12/schema",
  "type": "object",
  "properties": {
    "matcher": {
      "description": "how offered platforms are matched against the wanted ones",
      "enum": ["only-strict", "only", "ordered", "any", "all"],
      "default": "only-strict"
    }
  },
  "additionalProperties": false
}"#;

impl Plugin for Platforms {
    const NAME: &str = "platform";
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    const SUMMARY: &str = "the platform matchers of containerd: only-strict, only, ordered, any, all";
    const CONFIG_SCHEMA: &str = CONFIG_SCHEMA;
    type Config = Config;
}

impl PlatformPlugin for Platforms {
    fn rank(config: Config, wanted: Vec<Platform>, offered: Vec<Platform>) -> Result<Vec<u32>, Error> {
        let wanted = wanted
            .iter()
            .map(Normal::of)
            .collect::<Option<Vec<Normal>>>()
            .ok_or_else(|| Error::unsupported("no-os", "a wanted platform states no operating system"))?;
        let offers: Vec<Offer> =
            (0..).zip(&offered).filter_map(|(index, offer)| Offer::of(index, offer)).collect();
        let matchers: Vec<Matcher> = match config.matcher {
            Rule::All => return Ok((0..).take(offered.len()).collect()),
            Rule::Only => {
                let normals: Vec<Normal> = offers.iter().map(|offer| offer.normal.clone()).collect();
                let vectors = wanted.iter().flat_map(|wanted| fallback::vector(wanted, &normals));
                vectors.map(Matcher::new).collect()
            }
            Rule::OnlyStrict | Rule::Ordered | Rule::Any => wanted.into_iter().map(Matcher::new).collect(),
        };
        let mut matching: Vec<(Merit, u32)> =
            offers.iter().filter_map(|offer| Some((offer.merit(&matchers)?, offer.index))).collect();
        if config.matcher == Rule::Any {
            // Whichever wanted platform it was, it is as good as any other.
            for ((place, _), _) in &mut matching {
                *place = 0;
            }
        }
        // Stable: offers of equal merit stay in the order of the index.
        matching.sort_by_key(|(merit, _)| *merit);
        Ok(matching.into_iter().map(|(_, index)| index).collect())
    }
}

/// How well an offer suits, the smallest first: the place of the first matcher that accepts it, and then,
/// more being better, its features.
type Merit = (usize, std::cmp::Reverse<usize>);

/// An offer that states an operating system.
struct Offer {
    index: u32,
    normal: Normal,
    /// containerd counts the features as they are written, not those that are left when they are normalised.
    features: usize,
}

impl Offer {
    fn of(index: u32, platform: &Platform) -> Option<Self> {
        Some(Self { index, normal: Normal::of_offer(platform)?, features: platform.os_features.len() })
    }

    fn merit(&self, matchers: &[Matcher]) -> Option<Merit> {
        let place = matchers.iter().position(|matcher| matcher.accepts(&self.normal))?;
        Some((place, std::cmp::Reverse(self.features)))
    }
}

#[cfg(test)]
mod tests;
