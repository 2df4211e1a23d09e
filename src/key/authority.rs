//! One name for each service.

use std::collections::HashMap;

/// Other names of a service: alias → canonical name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostAliases {
    pub(super) _names: HashMap<Box<str>, Box<str>>,
}

impl HostAliases {
    /// From pairs of alias and canonical name.
    pub fn new(pairs: impl IntoIterator<Item = (String, String)>) -> Self {
        let _ = pairs.into_iter().count();
        todo!()
    }
}

/// The canonical form of an authority: lower case, without the default port of `scheme`, without a trailing dot, aliases resolved.
/// `None` when it is no authority at all. Allocates only when it has to change something.
pub fn canonical_authority<'a>(
    authority: &'a str,
    scheme: super::Scheme,
    aliases: &'a HostAliases,
) -> Option<std::borrow::Cow<'a, str>> {
    let _ = (authority, scheme, aliases);
    todo!()
}
