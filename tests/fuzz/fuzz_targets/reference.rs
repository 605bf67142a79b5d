//! Names that a user typed, or that another program wrote down.

#![no_main]

use dray_fuzz::oci::Named;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(named) = Named::parse(text) else { return };
    // The familiar name is another name of the same thing, with Docker's own two exceptions. A path on Docker Hub whose
    // first part could be a host is taken for one when `docker.io` is left out; and one that could be the id of an image
    // is refused as such.
    let familiar = named.familiar();
    let first = named.path().split_once('/').map_or("", |(first, _)| first);
    let host = named.domain() == "docker.io" && (first.contains('.') || first == "localhost");
    let id = familiar.len() == 64 && familiar.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !host && !id {
        assert_eq!(Named::parse(&familiar).expect("a familiar name is a name"), named);
    }
    let reference = named.to_reference();
    let again = Named::parse(&reference.to_string()).expect("a canonical name is a name");
    assert_eq!(again.to_reference(), reference);
});
