//! What rules about events name.

use super::rules::{check_prefix, check_tag, check_url};
use crate::config::fault::{Wrong, quoted};
use crate::config::read::Scalar;
use crate::invalidation::{Template, TemplateError};

/// A tag, perhaps with members of the event.
#[derive(Clone, Debug)]
pub(in crate::config) struct EventTag(pub(in crate::config) Template);

impl Scalar for EventTag {
    const WHAT: &'static str = "a tag such as `catalog` or `product:{product_id}`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        check_tag(text, Self::WHAT)?;
        template(text).map(Self)
    }
}

/// A URL or a path, perhaps with members of the event.
#[derive(Clone, Debug)]
pub(in crate::config) struct EventUrl(pub(in crate::config) Template);

impl Scalar for EventUrl {
    const WHAT: &'static str = "a path such as `/api/products/{product_id}` or a URL";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if text == "self" {
            return Err(Wrong::new("an event has no URL of its own", format!("write {}", Self::WHAT)));
        }
        check_url(text, Self::WHAT)?;
        template(text).map(Self)
    }
}

/// What a URL or a path is the beginning of.
#[derive(Clone, Debug)]
pub(in crate::config) struct EventPrefix(pub(in crate::config) Template);

impl Scalar for EventPrefix {
    const WHAT: &'static str = "a path such as `/api/categories/{category_id}` or a URL";

    fn parse(text: &str) -> Result<Self, Wrong> {
        check_prefix(text, Self::WHAT)?;
        template(text).map(Self)
    }
}

/// A member of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::config) struct FieldName(pub(in crate::config) String);

impl Scalar for FieldName {
    const WHAT: &'static str =
        "the name of a member such as `event`, or a pointer to one such as `/meta/type`";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if text.is_empty() || text.contains(['{', '}']) || text.contains(char::is_control) {
            let problem = format!("{} is not the name of a member", quoted(text));
            return Err(Wrong::new(problem, format!("write {}", Self::WHAT)));
        }
        Ok(Self(text.to_owned()))
    }
}

/// What is wrong with a template is said in words of events.
fn template(text: &str) -> Result<Template, Wrong> {
    let remedy = "write `{name}` for a member of the event, `{/a/b}` for a member of a member, and `{{` or `}}` for a brace itself";
    let problem = match Template::parse(text) {
        Ok(template) => return Ok(template),
        Err(TemplateError::Unbalanced) => format!("{} has a brace without its partner", quoted(text)),
        Err(TemplateError::BadName(name)) => {
            format!("{} is not the name of a member", quoted(&format!("{{{name}}}")))
        }
    };
    Err(Wrong::new(problem, remedy))
}
