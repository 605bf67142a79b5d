//! Names that a user typed, or that another program wrote down.

#![no_main]

use dray_fuzz::oci::Named;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(named) = Named::parse(text) else { return };
    // The familiar name is another name of the same thing. Docker's own exception: a path on Docker Hub whose first part
    // could be a host is taken for one when `docker.io` is left out.
    let familiar = Named::parse(&named.familiar()).expect("a familiar name is a name");
    if familiar.domain() == named.domain() {
        assert_eq!(familiar, named);
    } else {
        assert_eq!((named.domain(), named.path().contains('/')), ("docker.io", true));
    }
    let reference = named.to_reference();
    let again = Named::parse(&reference.to_string()).expect("a canonical name is a name");
    assert_eq!(again.to_reference(), reference);
});
