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

/// What the names in templates of writes begin with; an event has one body and no head.
const SOURCES: [&str; 6] = ["request.body", "reply.body", "body", "header", "query", "reply"];

/// What is wrong with a template is said in words of events.
fn template(text: &str) -> Result<Template, Wrong> {
    let template = parsed(text)?;
    let wrong = template.names().find_map(misnamed);
    wrong.map_or(Ok(template), Err)
}

/// What is wrong with a name that no member has, as far as anybody would call one so: a pointer begins with a slash, and can
/// also name a member that has a dot.
fn misnamed(name: &str) -> Option<Wrong> {
    if name.starts_with('/') || !name.contains(['.', '/']) {
        return None;
    }
    let shown = quoted(&format!("{{{name}}}"));
    let of_write = SOURCES.iter().find_map(|source| name.strip_prefix(source)?.strip_prefix(['.', '/']));
    let path = of_write.unwrap_or(name);
    let way = if path.contains('/') { path.to_owned() } else { path.replace('.', "/") };
    let pointer = quoted(&format!("{{/{}}}", way.trim_start_matches('/')));
    Some(match of_write {
        Some(_) => Wrong::new(
            format!("{shown} is how templates of `on_write` name a value; an event has only members"),
            format!("write {pointer}"),
        ),
        None if name.contains('/') => {
            Wrong::new(format!("{shown} is neither a member nor a pointer"), format!("write {pointer}"))
        }
        None => Wrong::new(
            format!("{shown} leaves open whether it is a member of a member"),
            format!(
                "write {pointer} if it is, or {} for a member of that name",
                quoted(&format!("{{/{name}}}"))
            ),
        ),
    })
}

fn parsed(text: &str) -> Result<Template, Wrong> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_members_or_pointers() {
        for name in ["id", "product_id", "a-b", "/a/b", "/a.b", "/body./x", "/"] {
            assert!(EventTag::parse(&format!("t:{{{name}}}")).is_ok(), "{name}");
        }
    }

    #[test]
    fn other_names_say_what_was_meant() {
        #[track_caller]
        fn check(name: &str, problem: &str, remedy: &str) {
            let wrong = EventUrl::parse(&format!("/{{{name}}}")).expect_err(name);
            assert_eq!((wrong.problem, wrong.remedy), (format!("`{{{name}}}` {problem}"), remedy.to_owned()));
            let meant = remedy.split('`').nth(1).expect("a template");
            assert!(EventTag::parse(meant).is_ok(), "{meant} is refused in turn");
        }
        let write = "is how templates of `on_write` name a value; an event has only members";
        check("body./product/id", write, "write `{/product/id}`");
        check("request.body./id", write, "write `{/id}`");
        check("reply.body./a.b", write, "write `{/a.b}`");
        check("body/id", write, "write `{/id}`");
        check("body.product.id", write, "write `{/product/id}`");
        check("header.X-Id", write, "write `{/X-Id}`");
        check("query.page", write, "write `{/page}`");
        check("reply.X-Id", write, "write `{/X-Id}`");
        check("product/id", "is neither a member nor a pointer", "write `{/product/id}`");
        let open = "leaves open whether it is a member of a member";
        let both = "write `{/product/id}` if it is, or `{/product.id}` for a member of that name";
        check("product.id", open, both);
    }
}
