//! Varnish, as Debian has it, told by `PURGE` and `BAN`.

use crate::support::{DEADLINE, Origin, Reply, eventually, free_port, request_at};
use larder::cdn::providers::http::{Http, HttpSettings};
use larder::cdn::{Call, CallId, Location, Provider, ProviderSettings, Target};
use larder::invalidation::Mode;
use larder::secret::Secret;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// The reference, which shows how Varnish is set up, and Larder before it.
const REFERENCE: &str = include_str!("../../docs/configuration.md");

/// What the tests see of hits.
const HITS: &str = "sub vcl_deliver { set resp.http.X-Hits = obj.hits; }";

/// The token that the example asks for.
const TOKEN: &str = "s3cr3t-of-varnish";

/// The example in a language.
fn example(language: &str) -> &'static str {
    let (_, about) = REFERENCE.split_once("### Varnish").expect("it is about Varnish");
    let (_, begun) = about.split_once(&format!("```{language}\n")).expect("there is an example");
    begun.split("```").next().expect("a first piece")
}

/// A Varnish of its own. It ends with the test.
struct Varnish {
    child: Child,
    address: SocketAddr,
    _folder: TempDir,
}

impl Varnish {
    async fn start(origin: &Origin) -> Self {
        // A port may be taken by another process between being chosen and being bound.
        for _ in 0..20 {
            if let Some(varnish) = Self::try_start(origin, free_port()).await {
                return varnish;
            }
        }
        panic!("Varnish did not start on any of twenty ports");
    }

    async fn try_start(origin: &Origin, port: u16) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let vcl = folder.path().join("test.vcl");
        let backend = format!(".host = \"127.0.0.1\"; .port = \"{}\";", origin.address().port());
        let text = example("vcl").replace(".host = \"larder\"; .port = \"8080\";", &backend);
        std::fs::write(&vcl, text + HITS).unwrap();
        let child = Command::new("varnishd")
            .arg("-F")
            .arg("-n")
            .arg(folder.path().join("work"))
            .args(["-a", &format!("127.0.0.1:{port}"), "-T", "none", "-j", "none", "-s", "malloc,16m"])
            .arg("-f")
            .arg(&vcl)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("varnishd is installed: make tools-test");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut varnish = Self { child, address, _folder: folder };
        let mut ended = false;
        eventually("Varnish answers, or ends", || {
            ended = varnish.child.try_wait().unwrap().is_some();
            async move { ended || tokio::net::TcpStream::connect(address).await.is_ok() }
        })
        .await;
        (!ended).then_some(varnish)
    }

    /// Whether a URL is answered without asking the origin.
    async fn has(&self, target: &str) -> bool {
        let reply = request_at(self.address, "GET", target).host("shop.example.com").send().await;
        assert_eq!(reply.status, 200);
        reply.field("x-hits") != "0"
    }

    /// Has these URLs stored, and purges something; then these are left.
    async fn left(&self, provider: &Http, target: Target, urls: &[&'static str]) -> Vec<&'static str> {
        for url in urls {
            self.has(url).await;
            assert!(self.has(url).await, "{url} is stored");
        }
        let call = Call { id: CallId(1), kind: target.kind(), mode: Mode::Hard, targets: vec![target] };
        provider.send(&call).await.unwrap();
        let mut left = Vec::new();
        for url in urls {
            if self.has(url).await {
                left.push(*url);
            }
        }
        left
    }
}

impl Drop for Varnish {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn settings(address: SocketAddr) -> HttpSettings {
    let yaml = example("yaml").replace("varnish:6081", &address.to_string());
    let yaml = format!("origin: http://127.0.0.1:3000\nredis: redis://127.0.0.1\n{yaml}");
    let env = |name: &str| (name == "PURGE_TOKEN").then(|| TOKEN.to_owned());
    let settings = larder::config::parse(&yaml, "f.yaml", &env).unwrap_or_else(|faults| panic!("{faults}"));
    match settings.cdns.into_iter().next().map(|cdn| cdn.provider) {
        Some(ProviderSettings::Http(settings)) => settings,
        other => panic!("{other:?}"),
    }
}

fn at(path: &str) -> Location {
    Location { base: "https://shop.example.com".into(), path: path.into() }
}

#[tokio::test]
async fn what_is_purged_is_fetched_again() {
    let origin = Origin::start().await;
    origin.otherwise(|seen| {
        let tags = match seen.path() {
            "/p/7" => "product:7 all",
            "/p/77" => "product:77 all",
            _ => "all",
        };
        Reply::fresh(3600, seen.target.clone()).header("xkey", tags)
    });
    let varnish = Varnish::start(&origin).await;
    let http = Http::new(&settings(varnish.address), DEADLINE).unwrap();

    let left = varnish.left(&http, Target::Url(at("/a")), &["/a", "/a?x=1", "/a/b", "/b"]).await;
    assert_eq!(left, ["/a/b", "/b"], "every query goes with it");
    let urls = ["/a.b", "/a.b/c", "/a.b?x=1", "/a.bc", "/axb", "/"];
    let left = varnish.left(&http, Target::Prefix(at("/a.b")), &urls).await;
    assert_eq!(left, ["/a.bc", "/axb", "/"], "what only begins alike, or looks alike, stays");
    let left = varnish.left(&http, Target::Prefix(at("/")), &urls).await;
    assert_eq!(left, [""; 0]);
    let left = varnish.left(&http, Target::Tag("product:7".into()), &["/p/7", "/p/77", "/c"]).await;
    assert_eq!(left, ["/p/77", "/c"]);
    let left = varnish.left(&http, Target::Tag("product.7".into()), &["/p/7", "/p/77"]).await;
    assert_eq!(left, ["/p/7", "/p/77"], "a point is a point");
    let left = varnish.left(&http, Target::All, &["/a", "/p/7"]).await;
    assert_eq!(left, [""; 0]);
}

#[tokio::test]
async fn several_tags_go_in_one_ban() {
    let origin = Origin::start().await;
    origin.otherwise(|seen| Reply::fresh(3600, "x").header("xkey", format!("t:{}", &seen.path()[1..])));
    let varnish = Varnish::start(&origin).await;
    let http = Http::new(&settings(varnish.address), DEADLINE).unwrap();
    for path in ["/1", "/2", "/3"] {
        varnish.has(path).await;
    }
    let targets = vec![Target::Tag("t:1".into()), Target::Tag("t:3".into())];
    http.send(&Call { id: CallId(1), kind: targets[0].kind(), mode: Mode::Hard, targets }).await.unwrap();
    let left = [varnish.has("/1").await, varnish.has("/2").await, varnish.has("/3").await];
    assert_eq!(left, [false, true, false]);
}

#[tokio::test]
async fn a_wrong_token_is_for_an_operator() {
    let origin = Origin::start().await;
    let varnish = Varnish::start(&origin).await;
    let mut settings = settings(varnish.address);
    let all = settings.all.as_mut().unwrap();
    all.headers[0].1 = Secret::new("something-else");
    let http = Http::new(&settings, DEADLINE).unwrap();
    let call = Call { id: CallId(1), kind: Target::All.kind(), mode: Mode::Hard, targets: vec![Target::All] };
    let error = http.send(&call).await.unwrap_err();
    assert_eq!(error.as_str(), "credentials", "{error}");
}
