//! A list that mostly holds one thing or nothing.

/// Like a `Vec`, but the only element is kept in place: one access to memory less in what every request goes through.
#[derive(Debug)]
pub(super) enum Few<T> {
    None,
    One(T),
    Many(Vec<T>),
}

impl<T> Few<T> {
    pub(super) fn push(&mut self, element: T) {
        *self = match std::mem::replace(self, Self::None) {
            Self::None => Self::One(element),
            Self::One(first) => Self::Many(vec![first, element]),
            Self::Many(mut elements) => {
                elements.push(element);
                Self::Many(elements)
            }
        };
    }

    pub(super) fn as_slice(&self) -> &[T] {
        match self {
            Self::None => &[],
            Self::One(element) => std::slice::from_ref(element),
            Self::Many(elements) => elements,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Few;

    #[test]
    fn holds_what_was_pushed() {
        let mut few = Few::None;
        for count in 0..5 {
            assert_eq!(few.as_slice(), (0..count).collect::<Vec<_>>());
            few.push(count);
        }
    }
}
