use super::*;
use arguments::Wait;
use clap::error::ErrorKind;

fn parse(line: &str) -> Result<Verb, ErrorKind> {
    let words = ["larder"].into_iter().chain(line.split_whitespace());
    Arguments::try_parse_from(words).map(|arguments| arguments.verb).map_err(|error| error.kind())
}

#[test]
fn what_is_understood() {
    for line in [
        "run",
        "run -c a.yaml",
        "check --config a.yaml",
        "explain GET http://a/ -H a:b -H c:d -c a.yaml",
        "purge http://a/ http://b/",
        "purge --tag a --tag b --soft",
        "purge --prefix http://a/ --admin 127.0.0.1:1",
        "purge --route a --wait node",
        "purge --all",
        "demo --for 10s --no-load",
        "completions zsh",
    ] {
        assert!(parse(line).is_ok(), "{line}");
    }
    let Ok(Verb::Purge(purge)) = parse("purge --all --wait node http://a/") else { panic!("no purge") };
    assert_eq!((purge.all, purge.wait, purge.urls), (true, Some(Wait::Node), vec!["http://a/".to_owned()]));
}

#[test]
fn what_is_not() {
    fn check(line: &str, want: ErrorKind) {
        assert_eq!(parse(line).map(|_| ()), Err(want), "{line}");
    }
    check("frobnicate", ErrorKind::InvalidSubcommand);
    check("run --colour", ErrorKind::UnknownArgument);
    check("run a.yaml", ErrorKind::UnknownArgument);
    check("explain GET", ErrorKind::MissingRequiredArgument);
    check("purge", ErrorKind::MissingRequiredArgument);
    check("purge --soft", ErrorKind::MissingRequiredArgument);
    check("purge --all --wait moon", ErrorKind::InvalidValue);
    check("demo --for 10", ErrorKind::ValueValidation);
    check("completions cmd", ErrorKind::InvalidValue);
    check("", ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand);
    check("--help", ErrorKind::DisplayHelp);
    check("--version", ErrorKind::DisplayVersion);
}
