mod choice;
mod fallbacks;
mod normalisation;
mod windows;

use dray_plugin::platform::Platform;
use dray_plugin::testing;

use super::Platforms;

/// The chosen offers by their texts, best first.
fn rank<'a>(matcher: &str, wanted: &[&str], offered: &[&'a str]) -> Vec<&'a str> {
    let platforms =
        |texts: &[&str]| texts.iter().map(|text| testing::platform(text)).collect::<Vec<Platform>>();
    let config = format!(r#"{{"matcher": "{matcher}"}}"#);
    let ranking = testing::rank::<Platforms>(&config, &platforms(wanted), &platforms(offered)).unwrap();
    ranking.into_iter().map(|index| offered[index as usize]).collect()
}

fn matches(wanted: &str, offered: &str) -> bool {
    !rank("only-strict", &[wanted], &[offered]).is_empty()
}
