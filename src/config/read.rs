//! Walks TOML tables with an eye on where everything stands, and complains about what nobody asked for.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    problem::{Place, Problems, suggestion},
    value::{Read, Wrong, list, text},
};

/// What may be declared several times.
const LISTS: [&str; 4] = ["profile", "user", "queue", "mailbox"];

/// One file's text.
pub(super) struct SourceFile {
    order: usize,
    name: Arc<str>,
    directory: PathBuf,
    text: String,
    /// Where each line ends.
    line_ends: Vec<usize>,
}

impl SourceFile {
    pub(super) fn new(order: usize, path: &Path, text: String) -> Self {
        let name = path.display().to_string().into();
        let directory = path.parent().unwrap_or(Path::new("/")).to_owned();
        let line_ends = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect();
        Self { order, name, directory, text, line_ends }
    }

    /// What to do about a list that begins as `name = [...]` and goes on as `[[name]]`.
    fn duplicate(&self, message: &str, span: Range<usize>) -> Option<String> {
        let name = self.text.get(span).filter(|_| message == "duplicate key")?;
        let list = LISTS.contains(&name.trim());
        list.then(|| format!("write each {name} as [[{name}]], or all in one {name} = [{{ … }}, {{ … }}]"))
    }

    /// Where the byte at `offset` stands.
    pub(super) fn place(&self, offset: usize) -> Place {
        let line = self.line_ends.partition_point(|end| *end < offset) + 1;
        Place { order: self.order, file: Arc::clone(&self.name), line }
    }
}

/// What reading leaves behind besides values.
#[derive(Default)]
pub(super) struct Findings {
    pub(super) problems: Problems,
    /// Every key that was asked for, as `section.key`: compared with the reference file by a test.
    pub(super) asked: RefCell<BTreeSet<String>>,
    /// Whether the keys were typed as options of a command.
    options: bool,
}

impl Findings {
    /// For the options of a command.
    pub(super) fn of_options() -> Self {
        Self { options: true, ..Self::default() }
    }
}

struct Entry<'f> {
    file: &'f SourceFile,
    place: Place,
    value: Spanned<DeValue<'f>>,
}

/// All files together, at their top level.
pub(super) struct Root<'f> {
    sections: BTreeMap<String, Vec<Entry<'f>>>,
    asked: Vec<&'static str>,
    findings: &'f Findings,
}

impl<'f> Root<'f> {
    /// Parses all files. A file with a syntax error adds its problems and nothing else.
    pub(super) fn parse(files: &'f [SourceFile], findings: &'f Findings) -> Self {
        let mut sections: BTreeMap<String, Vec<Entry<'f>>> = BTreeMap::new();
        for file in files {
            let (table, errors) = DeTable::parse_recoverable(&file.text);
            for error in &errors {
                let span = error.span().unwrap_or_default();
                let place = file.place(span.start);
                let text = format!("not TOML: {}", error.message().replace('\n', ", "));
                findings.problems.add(Some(&place), text, file.duplicate(error.message(), span));
            }
            if !errors.is_empty() {
                continue;
            }
            for (key, value) in table.into_inner() {
                let place = file.place(key.span().start);
                sections.entry(key.into_inner().into_owned()).or_default().push(Entry { file, place, value });
            }
        }
        Self { sections, asked: Vec::new(), findings }
    }

    /// The settings of `[name]`, from whichever files they stand in.
    pub(super) fn section(&mut self, name: &'static str) -> Section<'f> {
        self.asked.push(name);
        let mut section = Section::new(format!("[{name}]"), name.to_owned(), None, self.findings);
        for entry in self.sections.remove(name).unwrap_or_default() {
            if let DeValue::Table(table) = entry.value.into_inner() {
                section.place.get_or_insert(entry.place);
                section.add(entry.file, table);
            } else {
                let text = format!("{name} must be a section");
                self.findings.problems.add(Some(&entry.place), text, Some(format!("write [{name}]")));
            }
        }
        section
    }

    /// Every `[[name]]`, in the order of the files.
    pub(super) fn list(&mut self, name: &'static str) -> Vec<Section<'f>> {
        self.asked.push(name);
        let mut list = Vec::new();
        for entry in self.sections.remove(name).unwrap_or_default() {
            let DeValue::Array(items) = entry.value.into_inner() else {
                let text = format!("{name} must be a list of sections");
                self.findings.problems.add(Some(&entry.place), text, Some(format!("write [[{name}]]")));
                continue;
            };
            for item in items {
                let place = entry.file.place(item.span().start);
                let mut section = Section::new(format!("[[{name}]]"), name.to_owned(), Some(place), self.findings);
                match item.into_inner() {
                    DeValue::Table(table) => section.add(entry.file, table),
                    _ => section.problem("must be a section", Some(format!("write [[{name}]]"))),
                }
                list.push(section);
            }
        }
        list
    }

    /// Complains about every section that nobody asked for.
    pub(super) fn finish(self) {
        for (name, entries) in &self.sections {
            for entry in entries {
                let hint = suggestion(name, self.asked.iter().copied())
                    .unwrap_or_else(|| format!("the sections are {}", self.asked.join(", ")));
                self.findings.problems.add(Some(&entry.place), format!("unknown section {name:?}"), Some(hint));
            }
        }
    }
}

/// One table whose keys are taken one by one.
pub(super) struct Section<'f> {
    title: String,
    path: String,
    /// Where it begins; `None` where it stands in no file.
    place: Option<Place>,
    entries: BTreeMap<String, Entry<'f>>,
    asked: Vec<&'static str>,
    findings: &'f Findings,
}

impl<'f> Section<'f> {
    fn new(title: String, path: String, place: Option<Place>, findings: &'f Findings) -> Self {
        Self { title, path, place, entries: BTreeMap::new(), asked: Vec::new(), findings }
    }

    fn add(&mut self, file: &'f SourceFile, table: DeTable<'f>) {
        for (key, value) in table {
            let place = file.place(key.span().start);
            let name = key.into_inner().into_owned();
            if let Some(first) = self.entries.get(&name) {
                let text = format!("{name} of {} is given twice", self.title);
                let hint = Some(format!("the other is at {}", first.place));
                self.findings.problems.add(Some(&place), text, hint);
            } else {
                self.entries.insert(name, Entry { file, place, value });
            }
        }
    }

    fn ask(&mut self, key: &'static str) -> Option<Entry<'f>> {
        self.asked.push(key);
        self.findings.asked.borrow_mut().insert(format!("{}.{key}", self.path));
        self.entries.remove(key)
    }

    /// The value of `key`; `None` where it is not given, or wrong (then that is a problem).
    pub(super) fn take<T>(&mut self, key: &'static str, read: impl Fn(&DeValue<'_>) -> Read<T>) -> Option<T> {
        self.take_placed(key, read).map(|(value, _)| value)
    }

    /// [`Section::take`], with the place where it stands.
    pub(super) fn take_placed<T>(
        &mut self,
        key: &'static str,
        read: impl Fn(&DeValue<'_>) -> Read<T>,
    ) -> Option<(T, Place)> {
        let entry = self.ask(key)?;
        match read(entry.value.get_ref()) {
            Ok(value) => Some((value, entry.place)),
            Err(wrong) => {
                self.wrong(&entry.place, key, wrong);
                None
            }
        }
    }

    /// [`Section::take`] of a key that must be given.
    pub(super) fn require<T>(&mut self, key: &'static str, read: impl Fn(&DeValue<'_>) -> Read<T>) -> Option<T> {
        if !self.entries.contains_key(key) {
            self.problem(&format!("{} is missing", self.shown(key)), None);
        }
        self.take(key, read)
    }

    /// A path, taken from the directory of its file where it is relative.
    pub(super) fn take_path(&mut self, key: &'static str) -> Option<(PathBuf, Place)> {
        let directory = self.entries.get(key).map(|entry| entry.file.directory.as_path());
        self.take_placed(key, text).map(|(path, place)| (directory.unwrap_or(Path::new("")).join(path), place))
    }

    /// A list of paths, each taken from the directory of its file where it is relative.
    pub(super) fn take_paths(&mut self, key: &'static str) -> Vec<(PathBuf, Place)> {
        let directory = self.entries.get(key).map(|entry| entry.file.directory.as_path()).unwrap_or(Path::new(""));
        let Some((paths, place)) = self.take_placed(key, list(text)) else { return Vec::new() };
        paths.into_iter().map(|path| (directory.join(path), place.clone())).collect()
    }

    /// The table at `key`.
    pub(super) fn table(&mut self, key: &'static str) -> Option<Section<'f>> {
        let entry = self.ask(key)?;
        let (title, path) = (format!("{key} of {}", self.title), format!("{}.{key}", self.path));
        let mut section = Section::new(title, path, Some(entry.place), self.findings);
        match entry.value.into_inner() {
            DeValue::Table(table) => section.add(entry.file, table),
            _ => section.problem("must be a table", Some(format!("write {key} = {{ … }}"))),
        }
        Some(section)
    }

    /// A key that must never be given: `text` says why, `hint` what to give instead.
    pub(super) fn refuse(&mut self, key: &'static str, text: &str, hint: &str) {
        if let Some(entry) = self.entries.remove(key) {
            self.findings.problems.add(Some(&entry.place), text, Some(hint.to_owned()));
        }
    }

    /// Complains about the section as a whole.
    pub(super) fn problem(&self, text: &str, hint: Option<String>) {
        let text = if self.findings.options { text.to_owned() } else { format!("{}: {text}", self.title) };
        self.findings.problems.add(self.place.as_ref(), text, hint);
    }

    /// Complains about the value of `key`.
    pub(super) fn wrong(&self, place: &Place, key: &str, wrong: Wrong) {
        let of = if self.findings.options { String::new() } else { format!(" of {}", self.title) };
        self.findings.problems.add(Some(place), format!("{}{of}: {}", self.shown(key), wrong.text), wrong.hint);
    }

    /// The key as it was written: `port` of `incoming` as an option is `--incoming-port`.
    fn shown(&self, key: &str) -> String {
        if !self.findings.options {
            return key.to_owned();
        }
        let table = self.path.split_once('.').map(|(_, table)| format!("{table}_")).unwrap_or_default();
        format!("--{table}{key}").replace(['_', '.'], "-")
    }

    /// Whether `key` is given and was not taken yet.
    pub(super) fn given(&self, key: &str) -> bool {
        self.entries.contains_key(key)
    }

    /// Where it begins.
    pub(super) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// Complains about every key that nobody asked for.
    pub(super) fn finish(self) {
        for (name, entry) in &self.entries {
            let hint = suggestion(name, self.asked.iter().copied())
                .unwrap_or_else(|| format!("the keys are {}", self.asked.join(", ")));
            let text = format!("unknown key {name:?} in {}", self.title);
            self.findings.problems.add(Some(&entry.place), text, Some(hint));
        }
    }
}
