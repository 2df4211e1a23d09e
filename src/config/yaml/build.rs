//! From the events of the YAML parser to the tree.

use super::{Key, Kind, Mark, Node, syntax};
use crate::config::fault::{Place, Report, join, quoted};
use saphyr_parser::{Event, Marker, Parser, ScalarStyle, StrInput};
use std::collections::HashMap;
use std::rc::Rc;

/// Levels a file may nest. The deepest value Larder knows stands on level seven; the bound keeps every walk over the
/// tree, dropping it included, within a thread's stack.
const MAX_DEPTH: usize = 64;

/// Values that aliases may add to what is written out. A configuration that shares a block of settings among a
/// thousand routes stays far below; a bomb of aliases of aliases is past it after a few lines.
const MAX_ALIASED: usize = 100_000;

/// Reads one document. `None`: faults were reported and there is no tree.
pub(in crate::config) fn parse(text: &str, report: &Report) -> Option<Rc<Node>> {
    // The parser takes the mark for content when it stands before a comment.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Builder::new(report, text).run(Parser::new_from_str(text))
}

/// Why building stopped before the end; the fault is reported already.
struct Stopped;

/// A collection whose end has not come yet.
struct Open {
    mark: Mark,
    anchor: usize,
    kind: OpenKind,
}

enum OpenKind {
    List(Vec<Rc<Node>>),
    Map { entries: Vec<(Key, Rc<Node>)>, lines: HashMap<String, usize>, key: PendingKey },
}

/// The key whose value comes next.
enum PendingKey {
    /// The next node is a key.
    None,
    Text(Key),
    /// It cannot be used, which is reported already; its value is dropped.
    Unusable,
}

struct Builder<'r> {
    report: &'r Report,
    text: &'r str,
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    aliased: usize,
    root: Option<Rc<Node>>,
    documents: usize,
}

impl<'r> Builder<'r> {
    fn new(report: &'r Report, text: &'r str) -> Self {
        Self { report, text, open: Vec::new(), anchors: HashMap::new(), aliased: 0, root: None, documents: 0 }
    }

    fn run(mut self, mut parser: Parser<'_, StrInput<'_>>) -> Option<Rc<Node>> {
        while let Some(event) = parser.next_event() {
            let result = match event {
                Ok((event, span)) => self.event(event, mark(&span.start)),
                Err(error) => {
                    let line = self.text.lines().nth(error.marker().line().saturating_sub(1)).unwrap_or("");
                    let (problem, remedy) = syntax::explain(error.info(), line);
                    self.fault(mark(error.marker()), problem, remedy);
                    Err(Stopped)
                }
            };
            if let Err(Stopped) = result {
                return None;
            }
        }
        if self.root.is_none() {
            self.report.fault(
                &Place::file(),
                "is empty",
                "write at least where the origin is: `origin: http://127.0.0.1:3000`",
            );
        }
        self.root
    }

    fn event(&mut self, event: Event<'_>, mark: Mark) -> Result<(), Stopped> {
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => Ok(()),
            Event::DocumentStart(_) => self.document(mark),
            Event::Alias(anchor) => self.alias(anchor, mark),
            Event::Scalar(text, style, anchor, tag) => {
                self.no_tag(tag.is_some(), mark);
                let null = style == ScalarStyle::Plain
                    && matches!(&*text, "" | "~" | "null" | "Null" | "NULL")
                    && tag.is_none();
                let kind = if null { Kind::Null } else { Kind::Scalar(text.into_owned()) };
                self.close(Node { mark, kind, weight: 1, height: 1 }, anchor)
            }
            Event::SequenceStart(anchor, tag) => {
                self.no_tag(tag.is_some(), mark);
                self.start(mark, anchor, OpenKind::List(Vec::new()))
            }
            Event::MappingStart(anchor, tag) => {
                self.no_tag(tag.is_some(), mark);
                let kind =
                    OpenKind::Map { entries: Vec::new(), lines: HashMap::new(), key: PendingKey::None };
                self.start(mark, anchor, kind)
            }
            Event::SequenceEnd | Event::MappingEnd => self.end(),
        }
    }

    fn document(&mut self, mark: Mark) -> Result<(), Stopped> {
        self.documents += 1;
        if self.documents == 1 {
            return Ok(());
        }
        self.fault(mark, "a second document begins here", "keep one document: remove the `---` before it");
        Err(Stopped)
    }

    fn start(&mut self, mark: Mark, anchor: usize, kind: OpenKind) -> Result<(), Stopped> {
        if self.open.len() >= MAX_DEPTH {
            return Err(self.too_deep(mark));
        }
        self.open.push(Open { mark, anchor, kind });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Stopped> {
        // The parser sends no end without a start.
        let Some(Open { mark, anchor, kind }) = self.open.pop() else { return Ok(()) };
        let kind = match kind {
            OpenKind::List(items) => Kind::List(items),
            OpenKind::Map { entries, .. } => Kind::Map(entries),
        };
        let (mut weight, mut height) = (1, 1);
        let mut count = |node: &Node| {
            weight += node.weight;
            height = height.max(node.height + 1);
        };
        match &kind {
            Kind::List(items) => items.iter().for_each(|node| count(node)),
            Kind::Map(entries) => entries.iter().for_each(|(_, node)| count(node)),
            Kind::Null | Kind::Scalar(_) => {}
        }
        self.close(Node { mark, kind, weight, height }, anchor)
    }

    fn close(&mut self, node: Node, anchor: usize) -> Result<(), Stopped> {
        let node = Rc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.add(node);
        Ok(())
    }

    fn alias(&mut self, anchor: usize, mark: Mark) -> Result<(), Stopped> {
        // The parser has checked that the name is known, so one that is not here is still open around the alias.
        let Some(node) = self.anchors.get(&anchor).map(Rc::clone) else {
            self.fault(mark, "the alias stands inside of what it stands for", "write the value out");
            return Err(Stopped);
        };
        self.aliased = self.aliased.saturating_add(node.weight);
        if self.aliased > MAX_ALIASED {
            let problem = format!("aliases add more than {MAX_ALIASED} values to the file");
            self.fault(mark, problem, "write the values out, or share them by `defaults.cache`");
            return Err(Stopped);
        }
        if self.open.len() + node.height > MAX_DEPTH {
            return Err(self.too_deep(mark));
        }
        self.add(node);
        Ok(())
    }

    fn too_deep(&self, mark: Mark) -> Stopped {
        let problem = format!("nests deeper than {MAX_DEPTH} levels");
        self.fault(mark, problem, "write the value on a level that Larder knows");
        Stopped
    }

    /// Puts a whole node where it belongs: the collection around it, or the top.
    fn add(&mut self, node: Rc<Node>) {
        let as_key = self.as_key(&node);
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open { kind: OpenKind::List(items), .. }) => items.push(node),
            Some(Open { kind: OpenKind::Map { entries, lines, key }, .. }) => {
                if let PendingKey::Text(text) = std::mem::replace(key, as_key) {
                    lines.insert(text.text.clone(), text.mark.line);
                    entries.push((text, node));
                }
            }
        }
    }

    /// What the next value's key is once `node` has been added: `node` itself if it stands where a key belongs.
    fn as_key(&self, node: &Node) -> PendingKey {
        let Some(Open { kind: OpenKind::Map { lines, key: PendingKey::None, .. }, .. }) = self.open.last()
        else {
            return PendingKey::None;
        };
        let Kind::Scalar(text) = &node.kind else {
            let problem = format!("{} stands where a key belongs", node.kind.describe());
            self.fault(node.mark, problem, "write a name before the `:`");
            return PendingKey::Unusable;
        };
        if let Some(line) = lines.get(text) {
            let problem = format!("{} is written twice; it stands on line {line} already", quoted(text));
            self.report.fault(&place(node.mark, &join(&self.path(), text)), problem, "keep one of the two");
            return PendingKey::Unusable;
        }
        PendingKey::Text(Key { mark: node.mark, text: text.clone() })
    }

    fn no_tag(&self, tagged: bool, mark: Mark) {
        if tagged {
            self.fault(
                mark,
                "has a YAML tag",
                "remove the `!…` before the value (quote the value if it begins with `!`)",
            );
        }
    }

    fn fault(&self, mark: Mark, problem: impl Into<String>, remedy: impl Into<String>) {
        self.report.fault(&place(mark, &self.path()), problem, remedy);
    }

    /// The way to what is being read.
    fn path(&self) -> String {
        let mut path = String::new();
        for open in &self.open {
            match &open.kind {
                OpenKind::List(items) => path.push_str(&format!("[{}]", items.len())),
                OpenKind::Map { key: PendingKey::Text(key), .. } => path = join(&path, &key.text),
                OpenKind::Map { .. } => {}
            }
        }
        path
    }
}

fn place(mark: Mark, path: &str) -> Place {
    let path = if path.is_empty() { "file" } else { path };
    Place { line: mark.line, column: mark.column, path: path.into() }
}

fn mark(marker: &Marker) -> Mark {
    Mark { line: marker.line(), column: marker.col() + 1 }
}
