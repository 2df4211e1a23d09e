//! Names that were meant.

use super::Wrong;
use crate::config::fault::quoted;

/// What is known of a key that does not belong where it stands.
pub(in crate::config) enum Hint {
    /// It belongs elsewhere, or something else is written for it: the remedy.
    Instead(String),
    /// Another word for a key that is known.
    Meant(&'static str),
}

/// The known name that `name` most likely stands for.
///
/// Case, and hyphens or capitals in place of underscores, are forgiven; else a third of the letters may differ,
/// swapped neighbours counting once.
pub(in crate::config) fn nearest<'k>(
    name: &str,
    known: impl IntoIterator<Item = &'k str>,
) -> Option<&'k str> {
    // Longer texts are no names, and comparing costs the product of the lengths.
    const LONGEST: usize = 64;
    // A file may name thousands of routes, and every one of them wrongly.
    const COMPARED: usize = 256;
    if name.len() > LONGEST {
        return None;
    }
    let name = snake_case(name);
    let allowed = (name.chars().count() / 3).max(1);
    let distance = |known: &'k str| (strsim::osa_distance(&name, &snake_case(known)), known);
    let (distance, nearest) =
        known.into_iter().take(COMPARED).map(distance).min_by_key(|(distance, _)| *distance)?;
    (distance <= allowed && distance < name.chars().count()).then_some(nearest)
}

fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    let mut after_small = false;
    for c in name.chars() {
        if c.is_uppercase() && after_small {
            snake.push('_');
        }
        after_small = c.is_lowercase();
        match c {
            '-' | ' ' => snake.push('_'),
            _ => snake.extend(c.to_lowercase()),
        }
    }
    snake
}

/// What to say of a key that is not known, and the known one that was probably meant.
pub(in crate::config) fn unknown_key(
    key: &str,
    known: &[&'static str],
    hint: Option<Hint>,
) -> (Wrong, Option<&'static str>) {
    let meant = match hint {
        Some(Hint::Instead(remedy)) => {
            return (Wrong::new(format!("{} does not belong here", quoted(key)), remedy), None);
        }
        Some(Hint::Meant(meant)) => Some(meant),
        None => nearest(key, known.iter().copied()),
    };
    let remedy = match meant {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if key == "<<" => {
            "share the whole mapping by an alias, or its values by `defaults.cache`".to_owned()
        }
        None => format!("the keys known here are {}", known.join(", ")),
    };
    (Wrong::new(format!("{} is not a known key", quoted(key)), remedy), meant)
}

/// The value that `text` names among `choices`.
pub(in crate::config) fn one_of<T: Copy>(text: &str, choices: &[(&'static str, T)]) -> Result<T, Wrong> {
    if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
        return Ok(*value);
    }
    let names: Vec<_> = choices.iter().map(|(name, _)| format!("`{name}`")).collect();
    let (last, others) = names.split_last().expect("every choice has at least one value");
    let all = if others.is_empty() { last.clone() } else { format!("{} or {last}", others.join(", ")) };
    let remedy = match nearest(text, choices.iter().map(|(name, _)| *name)) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("write {all}"),
    };
    Err(Wrong::new(format!("{} is not {all}", quoted(text)), remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_what_was_meant() {
        let known = ["ttl", "tags", "stale_while_revalidate", "stale_if_error", "on_write", "query"];
        for (name, expected) in [
            ("tll", Some("ttl")),
            ("TTL", Some("ttl")),
            ("tag", Some("tags")),
            ("stale-while-revalidate", Some("stale_while_revalidate")),
            ("staleIfError", Some("stale_if_error")),
            ("onWrite", Some("on_write")),
            ("qurey", Some("query")),
            ("x", None),
            ("", None),
            ("frobnicate", None),
        ] {
            assert_eq!(nearest(name, known), expected, "{name}");
        }
        assert_eq!(nearest(&"ttl".repeat(100_000), known), None);
    }
}
