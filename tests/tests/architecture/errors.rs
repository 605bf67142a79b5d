//! Rules for error messages.
//!
//! A report prints an error and then its sources. A message that contains its source would repeat it.

use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, Expr, Fields, Token};

use crate::Source;

/// The error messages of a file that break a rule.
pub(crate) fn check(source: &Source) -> Vec<String> {
    let mut messages = Messages(Vec::new());
    messages.visit_file(&source.parse());
    messages.0
}

struct Messages(Vec<String>);

impl<'ast> Visit<'ast> for Messages {
    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.judge(&item.ident, &item.attrs, &item.fields);
        visit::visit_item_struct(self, item);
    }

    fn visit_variant(&mut self, variant: &'ast syn::Variant) {
        self.judge(&variant.ident, &variant.attrs, &variant.fields);
        visit::visit_variant(self, variant);
    }
}

impl Messages {
    fn judge(&mut self, name: &syn::Ident, attributes: &[Attribute], fields: &Fields) {
        for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("error")) {
            // `transparent` is a word, not an expression after a message.
            let Ok(arguments) = attribute.parse_args_with(Punctuated::<Expr, Token![,]>::parse_terminated)
            else {
                continue;
            };
            let Some(Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(message), .. })) = arguments.first() else {
                continue;
            };
            let message = message.value();
            let cause = cause(fields);
            let mut shown = placeholders(&message);
            shown.extend(arguments.iter().skip(1).flat_map(fields_named));
            if cause.as_ref().is_some_and(|cause| shown.contains(cause)) {
                self.0.push(format!("`{name}` prints its source"));
            }
            if message.ends_with('.') {
                self.0.push(format!("`{name}` ends with a full stop"));
            }
            let mut letters = message.chars();
            if letters.next().is_some_and(char::is_uppercase)
                && letters.next().is_some_and(char::is_lowercase)
            {
                self.0.push(format!("`{name}` starts with a capital letter"));
            }
        }
    }
}

/// The field that holds the source of an error: its name, or its number.
fn cause(fields: &Fields) -> Option<String> {
    fields.iter().enumerate().find_map(|(number, field)| {
        let name = field.ident.as_ref().map_or_else(|| number.to_string(), ToString::to_string);
        let is_marked =
            |attribute: &Attribute| attribute.path().is_ident("source") || attribute.path().is_ident("from");
        (name == "source" || field.attrs.iter().any(is_marked)).then_some(name)
    })
}

/// The placeholders of a message: `{name}`, `{0:?}`.
fn placeholders(message: &str) -> Vec<String> {
    let message = message.replace("{{", "").replace("}}", "");
    let inner = message.split('{').skip(1).filter_map(|part| part.split_once('}'));
    inner.map(|(inner, _)| inner.split(':').next().unwrap_or_default().to_owned()).collect()
}

/// The fields in an argument of the message: `.source`, `path = .path.display()`.
fn fields_named(argument: &Expr) -> Vec<String> {
    struct Names(Vec<String>);
    impl<'ast> Visit<'ast> for Names {
        fn visit_ident(&mut self, ident: &'ast syn::Ident) {
            self.0.push(ident.to_string());
        }
    }
    let mut names = Names(Vec::new());
    names.visit_expr(argument);
    names.0
}

#[test]
fn messages_that_follow_the_rules_pass() {
    let good = r#"
        #[error("cannot read {}", path.display())]
        struct A { path: PathBuf, source: io::Error }
        enum B {
            #[error("`{0}` is no digest")] Parse(String),
            #[error(transparent)] Store(#[from] StoreError),
            #[error("HTTP status {status:?}")] Status { status: u16 },
            #[error("a {{source}} in braces")] Braces { source: io::Error },
        }"#;
    assert_eq!(check(&Source::sample("a.rs", good)), [""; 0]);
}

#[test]
fn messages_that_break_a_rule_are_found() {
    let cases = [
        (r#"#[error("cannot read: {source}")] struct E { source: io::Error }"#, "`E` prints its source"),
        (r#"#[error("cannot read: {source:?}")] struct E { source: io::Error }"#, "`E` prints its source"),
        (r#"enum X { #[error("cannot read: {0}")] E(#[from] io::Error) }"#, "`E` prints its source"),
        (r#"enum X { #[error("in {at}: {0}", at = 1)] E(#[source] io::Error) }"#, "`E` prints its source"),
        (r#"#[error("cannot: {cause}")] struct E { #[source] cause: io::Error }"#, "`E` prints its source"),
        (r#"#[error("cannot: {}", source)] struct E { source: io::Error }"#, "`E` prints its source"),
        (r#"#[error("it failed.")] struct E;"#, "`E` ends with a full stop"),
        (r#"#[error("It failed")] struct E;"#, "`E` starts with a capital letter"),
    ];
    for (text, fault) in cases {
        assert_eq!(check(&Source::sample("a.rs", text)), [fault], "{text}");
    }
}
