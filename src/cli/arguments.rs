//! What can be written behind `larder`.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;
use std::time::Duration;

const EXAMPLES: &str = "\
To begin:
  larder demo                                    see it work: a slow shop, and Larder in front of it
  echo 'origin: http://127.0.0.1:3000' > proxy.yaml
  larder run                                     serve http://127.0.0.1:3000 on port 8080

Environment:
  LARDER_LOG           what is logged: info, debug, larder::engine=debug, …
  LARDER_LOG_FORMAT    text or json
  LARDER_ADMIN_TOKEN   the token `larder purge` brings
  NO_COLOR             no color";

/// A caching reverse proxy that never serves what a purge has reached.
///
/// Larder stands in front of an HTTP service, keeps its replies, and takes them back when something changes. It is set up by one
/// YAML file; the least that works is the line `origin: http://127.0.0.1:3000`.
#[derive(Debug, Parser)]
#[command(name = "larder", version, after_help = EXAMPLES, max_term_width = 100)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Serve
    ///
    /// Listens on the addresses of the configuration until SIGTERM or SIGINT, then finishes what is under way; a second signal
    /// ends at once. SIGHUP checks the file and swaps the rules in, without dropping a connection or an entry.
    #[command(
        after_help = "Examples:\n  larder run\n  larder run -c shop.yaml\n  LARDER_LOG=debug larder run\n  kill -HUP $(pidof larder)       # after the file was edited"
    )]
    Run(ConfigFile),

    /// Check a configuration
    ///
    /// Prints every fault as FILE:LINE:COLUMN: path: what is wrong; what to write instead. Nothing is started.
    #[command(
        after_help = "Examples:\n  larder check\n  larder check -c shop.yaml && kill -HUP $(pidof larder)"
    )]
    Check(ConfigFile),

    /// Explain what happens to a request, or what an event purges
    ///
    /// Shows the route that governs a request and why, the cache key and its parts, how long a reply lives, its tags, and what
    /// reaches it; for a write, what it purges. Of an event of the application it shows what that purges, by which rule, and what
    /// CDNs are told. Works on the configuration alone: nothing is sent.
    #[command(
        after_help = "Examples:\n  larder explain GET http://shop.example.com/api/v1/products/42\n  larder explain GET 'http://shop.example.com/search?q=tea&utm_source=mail' -H 'Cookie: currency=EUR'\n  larder explain PUT http://shop.example.com/api/v1/products/42      # what a write purges\n  larder explain PUT http://shop.example.com/api/v1/products/42 -d '{\"category_id\": 7}'\n  larder explain --event '{\"event\": \"product_updated\", \"product_id\": 42}'    # what an event purges\n  larder explain --event - < event.json"
    )]
    Explain(Explain),

    /// Purge what is stored, on a Larder that runs
    ///
    /// Everything named is purged at one moment. It is done when the command returns: from then on nothing read from the origin
    /// before is served. The Larder is found by `admin.address` of the configuration, or by --admin.
    #[command(
        after_help = "Examples:\n  larder purge http://shop.example.com/api/v1/products/42\n  larder purge --tag product:42 --tag catalog\n  larder purge --prefix http://shop.example.com/api/v1/categories --soft\n  larder purge --all --admin 10.0.0.7:9090        # with LARDER_ADMIN_TOKEN in the environment"
    )]
    Purge(Purge),

    /// Look after the purges that CDNs have not taken
    ///
    /// Purges wait in a queue until their CDN has taken them. One that cannot be delivered becomes a dead letter, which `/stats`
    /// of the admin listener shows with its reason; once the reason is mended, it can be queued again.
    #[command(
        after_help = "Examples:\n  larder cdn retry                  # the dead letters of all CDNs\n  larder cdn retry edge\n  larder cdn retry --admin 10.0.0.7:9090"
    )]
    Cdn(Cdn),

    /// Ask whether a Larder that runs is well
    ///
    /// Exits with 0 when it is alive, or with --ready when it may take traffic, and prints what is degraded; else with 1. Made for
    /// probes of containers, which have neither shell nor curl.
    #[command(
        after_help = "Examples:\n  larder health\n  larder health --ready\n  larder health --admin 10.0.0.7:9090"
    )]
    Health(Health),

    /// See it work
    ///
    /// Starts a shop with 200 ms of \"database\" behind it and Larder in front, in this process, sends it some customers, and shows
    /// what the cache makes of them. Ends with Ctrl-C.
    #[command(
        after_help = "Examples:\n  larder demo\n  larder demo --for 10s\n  larder demo --no-load          # be the only customer"
    )]
    Demo(Demo),

    /// Print completions for a shell
    #[command(
        after_help = "Examples:\n  larder completions bash > /etc/bash_completion.d/larder\n  larder completions zsh > \"${fpath[1]}/_larder\"\n  larder completions fish > ~/.config/fish/completions/larder.fish"
    )]
    Completions(Completions),
}

#[derive(Args, Debug)]
pub(super) struct ConfigFile {
    /// The configuration [default: ./proxy.yaml, else /etc/larder/proxy.yaml]
    #[arg(short = 'c', long = "config", value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
}

#[derive(Args, Debug)]
pub(super) struct Explain {
    /// The method of the request
    #[arg(value_name = "METHOD", required_unless_present = "event")]
    pub(super) method: Option<String>,
    /// Its URL, as in http://shop.example.com/path?query
    #[arg(value_name = "URL", required_unless_present = "event")]
    pub(super) url: Option<String>,
    /// A field of the request, as in -H 'Cookie: currency=EUR'
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE")]
    pub(super) headers: Vec<String>,
    /// The JSON in its body, where a write purges by what stands there
    #[arg(short = 'd', long = "data", value_name = "JSON")]
    pub(super) data: Option<String>,
    /// An event in place of a request, as POST /events takes it; - reads it from standard input
    #[arg(short = 'e', long = "event", value_name = "JSON", conflicts_with_all = ["method", "url", "headers", "data"])]
    pub(super) event: Option<String>,
    #[command(flatten)]
    pub(super) file: ConfigFile,
}

#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true))]
pub(super) struct Purge {
    /// A URL, with every query and variant of it
    #[arg(value_name = "URL", group = "what")]
    pub(super) urls: Vec<String>,
    /// Everything that bears a tag
    #[arg(long = "tag", value_name = "TAG", group = "what")]
    pub(super) tags: Vec<String>,
    /// Everything at or below a URL
    #[arg(long = "prefix", value_name = "URL", group = "what")]
    pub(super) prefixes: Vec<String>,
    /// Everything stored under a route
    #[arg(long = "route", value_name = "NAME", group = "what")]
    pub(super) routes: Vec<String>,
    /// Everything
    #[arg(long, group = "what")]
    pub(super) all: bool,
    /// Make it stale instead: it may be served while it is fetched anew, or when the origin fails
    #[arg(long)]
    pub(super) soft: bool,
    /// Wait until it is done
    #[arg(long, value_name = "WHERE", value_enum)]
    pub(super) wait: Option<Wait>,
    /// The admin listener, as in 127.0.0.1:9090, in place of the configuration's
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) admin: Option<String>,
    #[command(flatten)]
    pub(super) file: ConfigFile,
}

/// Where a purge has to have arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Wait {
    /// On the node that takes it
    Node,
    /// On all nodes that share its log
    Fleet,
    /// On all of them, and then by every CDN in front
    Cdn,
}

#[derive(Args, Debug)]
pub(super) struct Cdn {
    #[command(subcommand)]
    pub(super) verb: CdnVerb,
}

#[derive(Debug, Subcommand)]
pub(super) enum CdnVerb {
    /// Queue dead letters again
    Retry(Retry),
}

#[derive(Args, Debug)]
pub(super) struct Retry {
    /// The CDN, by its name in the configuration [default: all]
    #[arg(value_name = "NAME")]
    pub(super) cdn: Option<String>,
    /// The admin listener, as in 127.0.0.1:9090, in place of the configuration's
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) admin: Option<String>,
    #[command(flatten)]
    pub(super) file: ConfigFile,
}

#[derive(Args, Debug)]
pub(super) struct Health {
    /// Ask whether it may take traffic, not only whether it is alive
    #[arg(long)]
    pub(super) ready: bool,
    /// The admin listener, as in 127.0.0.1:9090, in place of the configuration's
    #[arg(long, value_name = "HOST:PORT")]
    pub(super) admin: Option<String>,
    #[command(flatten)]
    pub(super) file: ConfigFile,
}

#[derive(Args, Debug)]
pub(super) struct Demo {
    /// End by itself after this long, as in 10s
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub(super) length: Option<Duration>,
    /// Send no customers
    #[arg(long)]
    pub(super) no_load: bool,
}

#[derive(Args, Debug)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    pub(super) shell: clap_complete::Shell,
}

/// Reads `250ms`, `10s`, `5m` or `1h`.
fn duration(text: &str) -> Result<Duration, String> {
    let fault = || format!("`{text}` is no duration; write it as in 500ms, 10s, 5m or 1h");
    let digits = text.find(|char: char| !char.is_ascii_digit()).ok_or_else(fault)?;
    let (number, unit) = text.split_at(digits);
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(fault()),
    };
    let number: u64 = number.parse().map_err(|_| fault())?;
    number.checked_mul(millis).filter(|millis| *millis > 0).map(Duration::from_millis).ok_or_else(fault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_declaration_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn durations() {
        fn check(text: &str, want: Option<u64>) {
            assert_eq!(duration(text).ok(), want.map(Duration::from_millis), "{text}");
        }
        check("250ms", Some(250));
        check("10s", Some(10_000));
        check("5m", Some(300_000));
        check("1h", Some(3_600_000));
        for wrong in
            ["", "s", "10", "1.5s", "-1s", "0s", "10 s", "1d", "99999999999999999999h", "9999999999999999h"]
        {
            check(wrong, None);
        }
    }

    #[test]
    fn every_verb_gives_examples() {
        for verb in Arguments::command().get_subcommands() {
            let help = verb.get_after_help().map(ToString::to_string).unwrap_or_default();
            let example = format!("larder {}", verb.get_name());
            assert!(help.starts_with("Examples:") && help.contains(&example), "{example}");
        }
    }
}
