//! Text with `{name}` in it, for tags and for what a write purges.

/// Why a template cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// A brace without its partner.
    #[error("unbalanced brace")]
    Unbalanced,
    /// `{}` or a name with characters that no capture has.
    #[error("`{{{0}}}` is not a name")]
    BadName(String),
}

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {/* parts */}

impl Template {
    /// Parses `text`; `{{` and `}}` stand for braces.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let _ = text;
        todo!()
    }
    /// The names it needs, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }
    /// The text with each name looked up; `None` when one is missing.
    pub fn render<'v>(&self, lookup: impl Fn(&str) -> Option<&'v str>) -> Option<String> {
        let _ = lookup;
        todo!()
    }
}
