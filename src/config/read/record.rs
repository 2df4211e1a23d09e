//! Mappings with known keys.

use super::{Field, FromYaml, Hint, Item};
use crate::config::yaml::Kind;

/// A mapping with known keys.
pub(in crate::config) trait Record {
    /// The keys, in the order in which they are documented.
    const KEYS: &'static [&'static str];

    /// What is known of a key that is none of them.
    fn hint(_key: &str) -> Option<Hint> {
        None
    }
}

/// The entries of a mapping, taken one by one. Unknown keys are reported when it is opened.
pub(in crate::config) struct Fields<'a> {
    known: Vec<(&'a str, Item<'a>)>,
    /// Keys that were probably meant by unknown ones.
    meant: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    /// Opens a mapping.
    pub(in crate::config) fn of<R: Record>(item: &Item<'a>) -> Option<Self> {
        let keys = R::KEYS.join(", ");
        let what = match item.kind() {
            Kind::Scalar(text) if begins_with_key(text, R::KEYS) => "a space after the `:`".to_owned(),
            Kind::Null => format!("one of its keys ({keys})"),
            _ => format!("a mapping with the keys {keys}"),
        };
        let (mut known, mut meant) = (Vec::new(), Vec::new());
        for (key, value) in item.entries(&what)? {
            if R::KEYS.contains(&key.text.as_str()) {
                known.push((key.text.as_str(), value));
            } else {
                meant.extend(item.unknown_key::<R>(key));
            }
        }
        Some(Self { known, meant })
    }

    /// Reads the value of `key`. One that is there under a wrong name is not reported as missing as well.
    pub(in crate::config) fn take<T: FromYaml>(&mut self, key: &str) -> Field<T> {
        match self.known.iter().position(|(name, _)| *name == key) {
            Some(index) => self.known.swap_remove(index).1.read(),
            None if self.meant.contains(&key) => Field::Faulty,
            None => Field::Absent,
        }
    }
}

/// `address:0.0.0.0:8080` is a text to YAML.
fn begins_with_key(text: &str, keys: &[&str]) -> bool {
    text.split_once(':').is_some_and(|(key, _)| keys.contains(&key))
}

/// Declares a mapping: a struct with a [`Field`] a key, and how it is read.
macro_rules! record {
    (
        $(#[$doc:meta])*
        $name:ident $(, hint: $hint:expr)? ;
        $( $(#[$field_doc:meta])* $key:literal => $field:ident: $type:ty, )*
    ) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub(in crate::config) struct $name {
            $( $(#[$field_doc])* pub(in crate::config) $field: $crate::config::read::Field<$type>, )*
        }

        impl $crate::config::read::Record for $name {
            const KEYS: &'static [&'static str] = &[$($key),*];
            $(
                fn hint(key: &str) -> Option<$crate::config::read::Hint> {
                    let hint: fn(&str) -> Option<$crate::config::read::Hint> = $hint;
                    hint(key)
                }
            )?
        }

        impl $crate::config::read::FromYaml for $name {
            fn read(item: &$crate::config::read::Item<'_>) -> Option<Self> {
                let mut fields = $crate::config::read::Fields::of::<Self>(item)?;
                Some(Self { $( $field: fields.take($key), )* })
            }
        }
    };
}
pub(in crate::config) use record;
