//! From a text back to the values that a template made it of.

use super::Template;
use super::template::Part;

/// Ways to read a text that are followed. A template with text between its names has one; whoever writes `{a}{b}` has as many as
/// the text has letters.
const MAX_READINGS: usize = 16;

/// Steps that are taken to find them, so that a text made for the purpose costs no more than any other.
const MAX_STEPS: usize = 4096;

/// What the names of a template stand for in one reading of a text.
pub type Reading<'t, N> = Vec<(&'t N, &'t str)>;

/// A text can be read in more ways than are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyReadings;

impl<N: PartialEq> Template<N> {
    /// Every way to read `text` as what the template makes of values that `allowed` (name, value) lets pass. None: this
    /// template does not make that text.
    pub fn unrender<'t>(
        &'t self,
        text: &'t str,
        allowed: impl Fn(&N, &str) -> bool,
    ) -> Result<Vec<Reading<'t, N>>, TooManyReadings> {
        let mut search = Search { allowed, steps: 0, held: Vec::new(), found: Vec::new() };
        search.read(&self.parts, text)?;
        Ok(search.found)
    }
}

struct Search<'t, N, F> {
    allowed: F,
    steps: usize,
    held: Reading<'t, N>,
    found: Vec<Reading<'t, N>>,
}

impl<'t, N: PartialEq, F: Fn(&N, &str) -> bool> Search<'t, N, F> {
    fn read(&mut self, parts: &'t [Part<N>], text: &'t str) -> Result<(), TooManyReadings> {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return Err(TooManyReadings);
        }
        match parts {
            [] if text.is_empty() => {
                if self.found.len() == MAX_READINGS {
                    return Err(TooManyReadings);
                }
                self.found.push(self.held.clone());
                Ok(())
            }
            [] => Ok(()),
            [Part::Text(literal), rest @ ..] => match text.strip_prefix(&**literal) {
                Some(behind) => self.read(rest, behind),
                None => Ok(()),
            },
            [Part::Name(name), rest @ ..] => self.read_name(name, rest, text),
        }
    }

    fn read_name(&mut self, name: &'t N, rest: &'t [Part<N>], text: &'t str) -> Result<(), TooManyReadings> {
        // A name that stands there twice stands for the same.
        if let Some((_, value)) = self.held.iter().find(|(held, _)| *held == name) {
            return match text.strip_prefix(value) {
                Some(behind) => self.read(rest, behind),
                None => Ok(()),
            };
        }
        let from = if rest.is_empty() { text.len() } else { 0 };
        for end in (from..=text.len()).filter(|end| text.is_char_boundary(*end)) {
            let (value, behind) = text.split_at(end);
            if !(self.allowed)(name, value) {
                continue;
            }
            self.held.push((name, value));
            let read = self.read(rest, behind);
            self.held.pop();
            read?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts_are_read_back() {
        #[track_caller]
        fn check(template: &str, text: &str, expected: &[&[(&str, &str)]]) {
            let template = Template::parse(template).unwrap();
            let readings = template.unrender(text, |_, value| !value.is_empty());
            let readings: Vec<Vec<_>> = readings
                .unwrap()
                .into_iter()
                .map(|reading| reading.into_iter().map(|(name, value)| (&**name, value)).collect())
                .collect();
            assert_eq!(readings, expected, "{text}");
        }
        check("catalog", "catalog", &[&[]]);
        check("catalog", "catalogue", &[]);
        check("product:{id}", "product:7", &[&[("id", "7")]]);
        check("product:{id}", "product:", &[]);
        check("product:{id}", "price:7", &[]);
        check("{a}/{b}", "x/y", &[&[("a", "x"), ("b", "y")]]);
        check("{a}-{b}", "x-y-z", &[&[("a", "x"), ("b", "y-z")], &[("a", "x-y"), ("b", "z")]]);
        check("{a}{b}", "ü!", &[&[("a", "ü"), ("b", "!")]]);
        check("{a}={a}", "x=x", &[&[("a", "x")]]);
        check("{a}={a}", "x=y", &[]);
        check("{id}.", "7.", &[&[("id", "7")]]);
        check("{{{id}}}", "{7}", &[&[("id", "7")]]);
    }

    #[test]
    fn texts_without_end_of_readings_are_given_up() {
        let letters = "x".repeat(500);
        for (template, text) in [("{a}{b}", &letters[..]), ("{a}x{b}x{c}x{d}y", &letters)] {
            let template = Template::parse(template).unwrap();
            assert_eq!(template.unrender(text, |_, _| true), Err(TooManyReadings));
        }
    }

    proptest! {
        #[test]
        fn what_was_rendered_is_among_the_readings(a in "[a-c:-]{0,6}", b in "[a-c:-]{0,6}") {
            let template = Template::parse("x:{a}-{b}").unwrap();
            let text = template.render(|name| Some(if name == "a" { &a } else { &b })).unwrap();
            let readings = template.unrender(&text, |_, _| true).unwrap();
            let is_ours = |reading: &Reading<'_, Box<str>>| {
                reading.iter().map(|(_, value)| *value).eq([a.as_str(), b.as_str()])
            };
            prop_assert!(readings.iter().any(is_ours));
        }
    }
}
