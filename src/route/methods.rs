//! The methods a route takes.

use http::Method;

/// A set of methods. Compared as sent: methods are case-sensitive (RFC 9110, 9.1), and `GET` does not stand for `HEAD`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Methods {
    All,
    /// Of the registered ones those whose bit is set, and `others`.
    Some {
        bits: u16,
        others: Box<[Method]>,
    },
}

impl Methods {
    pub(super) fn new(methods: Option<&[Method]>) -> Self {
        let Some(methods) = methods else {
            return Self::All;
        };
        let bits = methods.iter().filter_map(bit).fold(0, |bits, bit| bits | bit);
        let others = methods.iter().filter(|method| bit(method).is_none()).cloned().collect();
        Self::Some { bits, others }
    }

    pub(super) fn contains(&self, method: &Method) -> bool {
        match self {
            Self::All => true,
            Self::Some { bits, others } => match bit(method) {
                Some(bit) => bits & bit != 0,
                None => others.contains(method),
            },
        }
    }

    /// Whether every method of `other` is one of these.
    pub(super) fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::All, _) => true,
            (Self::Some { .. }, Self::All) => false,
            (Self::Some { bits, others }, Self::Some { bits: other_bits, others: other_others }) => {
                other_bits & !bits == 0 && other_others.iter().all(|method| others.contains(method))
            }
        }
    }

    /// These without those of `other`; of all methods nothing less than all is ever left or taken.
    pub(super) fn without(self, other: &Self) -> Self {
        match (self, other) {
            (_, Self::All) => Self::new(Some(&[])),
            (Self::All, Self::Some { .. }) => Self::All,
            (Self::Some { bits, others }, Self::Some { bits: taken, others: taken_others }) => {
                let others = others.into_iter().filter(|method| !taken_others.contains(method)).collect();
                Self::Some { bits: bits & !taken, others }
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Some { bits: 0, others } if others.is_empty())
    }
}

fn bit(method: &Method) -> Option<u16> {
    let place = match *method {
        Method::GET => 0,
        Method::HEAD => 1,
        Method::POST => 2,
        Method::PUT => 3,
        Method::DELETE => 4,
        Method::OPTIONS => 5,
        Method::PATCH => 6,
        Method::CONNECT => 7,
        Method::TRACE => 8,
        _ => return None,
    };
    Some(1 << place)
}

#[cfg(test)]
mod tests {
    use super::Methods;
    use http::Method;

    fn set(names: &str) -> Methods {
        let methods: Vec<Method> = names.split_whitespace().map(|name| name.parse().unwrap()).collect();
        Methods::new((names != "*").then_some(&methods))
    }

    #[test]
    fn contains_what_is_listed() {
        for (listed, method, expected) in [
            ("*", "GET", true),
            ("*", "PURGE", true),
            ("GET", "GET", true),
            ("GET", "HEAD", false),
            ("GET", "get", false),
            ("GET PURGE", "PURGE", true),
            ("GET PURGE", "QUERY", false),
            ("", "GET", false),
        ] {
            assert_eq!(set(listed).contains(&method.parse().unwrap()), expected, "{listed} {method}");
        }
    }

    #[test]
    fn without_leaves_what_is_new() {
        for (listed, taken, left) in [
            ("*", "GET", "*"),
            ("GET", "*", ""),
            ("GET HEAD QUERY", "GET PURGE", "HEAD QUERY"),
            ("GET PURGE", "PURGE GET POST", ""),
        ] {
            assert_eq!(set(listed).without(&set(taken)), set(left), "{listed} {taken}");
            assert_eq!(set(left).is_empty(), left.is_empty());
        }
    }

    #[test]
    fn covers_its_subsets() {
        for (large, small, expected) in [
            ("*", "*", true),
            ("*", "GET", true),
            ("GET", "*", false),
            ("GET HEAD", "HEAD", true),
            ("GET", "GET HEAD", false),
            ("GET PURGE", "PURGE", true),
            ("GET PURGE", "PURGE QUERY", false),
            ("GET", "", true),
        ] {
            assert_eq!(set(large).covers(&set(small)), expected, "{large} {small}");
        }
    }
}
