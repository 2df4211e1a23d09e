//! Decimal numbers into a buffer: on the path of a hit, without the machinery of `format!`.

/// Digits of `u64::MAX`.
const LONGEST: usize = 20;

/// Appends `number`.
pub(super) fn push_decimal(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; LONGEST];
    let mut start = LONGEST;
    loop {
        start -= 1;
        digits[start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_every_length() {
        for number in [0, 9, 10, 99, 100, 287, 65_535, 4_294_967_296, u64::MAX] {
            let mut out = b"x".to_vec();
            push_decimal(&mut out, number);
            assert_eq!(out, format!("x{number}").into_bytes());
        }
    }
}
