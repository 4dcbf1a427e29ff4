//! What a selection names.

use crate::archive::Selection;

#[test]
fn databases_are_named_by_the_selection_or_the_address_or_by_none() {
    let named = |collections: &[&str], databases: &[&str], home: Option<&str>| {
        let own = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect();
        let selection = Selection {
            collections: own(collections),
            databases: own(databases),
            ..Selection::default()
        };
        selection.named_databases(home).join(" ")
    };
    assert_eq!(named(&[], &[], None), "");
    assert_eq!(named(&[], &[], Some("prod")), "prod");
    assert_eq!(named(&[], &["b", "a"], Some("prod")), "a b");
    assert_eq!(named(&["docs", "x*"], &[], None), "default");
    assert_eq!(named(&["docs"], &[], Some("prod")), "prod");
    assert_eq!(named(&["sales.docs", "docs"], &[], None), "default sales");
    assert_eq!(named(&["sales.d*"], &[], None), "sales");
    // Only a list of databases tells what this means.
    assert_eq!(named(&["docs", "s*.docs"], &["sales"], Some("prod")), "");
}
