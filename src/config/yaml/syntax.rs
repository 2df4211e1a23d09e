//! The parser's words for faults of syntax, for people who do not write YAML every day.

/// Words of the parser → what to write. The first that occurs in its message counts.
const REMEDIES: &[(&str, &str)] = &[
    ("unprintable", "remove the character"),
    ("byte order mark", "remove the character"),
    ("tab", "indent with spaces"),
    (
        "mapping values are not allowed",
        "quote a value that holds `: `, and write every key on a line of its own",
    ),
    ("simple key expect", "write every entry as `key: value`, indented like its neighbours"),
    ("did not find expected key", "write every entry as `key: value`, indented like its neighbours"),
    ("expected '-' indicator", "begin every item of the list with `- `, indented like its neighbours"),
    ("':' must be followed", "write a space after the `:`"),
    ("'-' must be followed", "write a space after the `-`"),
    ("anchor or alias", "quote a value that begins with `*` or `&`"),
    ("unknown anchor", "quote a value that begins with `*`, or define the anchor above"),
    ("unexpected character", "quote a value that begins with this character"),
    ("unknown escape", "write `\\\\` for a backslash, or use single quotes"),
    ("quoted scalar", "close the quote"),
    ("expected ',' or '}'", "separate the entries by commas and close the `}`"),
    ("expected ',' or ']'", "separate the items by commas and close the `]`"),
    ("bracket", "balance the brackets, or quote a value that begins with one"),
    ("recursion limit", "nest fewer brackets"),
    ("indent", "indent the line like its neighbours"),
    ("directive", "remove the line that begins with `%`"),
    ("tag", "quote a value that begins with `!`"),
    ("TAG", "quote a value that begins with `!`"),
];

/// The problem and the remedy for a message of the parser about something on `line`.
pub(super) fn explain(info: &str, line: &str) -> (String, String) {
    let known = REMEDIES.iter().find(|(words, _)| info.contains(words));
    let remedy = match known {
        // Between braces, YAML ends a plain value at the next brace.
        _ if line.contains("${") && line.replace("${", "").contains(['{', '[']) => {
            "quote a value with `${…}` in it: `\"${NAME}\"`"
        }
        Some((_, remedy)) => remedy,
        None => "check the indentation, the quotes and the brackets before this place",
    };
    // The parser quotes as in `x'; its messages hold nothing of the file beyond one character.
    (format!("is not YAML: {}", info.replace('\'', "`")), remedy.to_owned())
}
