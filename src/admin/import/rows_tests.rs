use super::*;

/// What a file says, in words: its rows, and what is wrong.
fn said(text: &[u8]) -> Vec<String> {
    let rows = match read(text) {
        Ok(rows) => rows,
        Err(error) => return vec![format!("{error} | {}", error.hint().unwrap_or_default())],
    };
    let or = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
    let good = rows.good.iter().map(|row| {
        let rest = [&row.external_id, &row.profile, &row.username].map(or).join(" ");
        format!("{}: {} <{}> {rest}", row.line, row.name, row.email_address)
    });
    let hint = |bad: &BadRow| bad.hint.as_ref().map(|hint| format!(" | {hint}")).unwrap_or_default();
    good.chain(rows.bad.iter().map(|bad| format!("{}! {}{}", bad.line, bad.why, hint(bad)))).collect()
}

/// What it shows, the file, what is said of it.
type Case<'a> = (&'a str, &'a [u8], &'a [&'a str]);

fn each(cases: &[Case]) {
    for (what, text, expected) in cases {
        assert_eq!(said(text), *expected, "{what}");
    }
}

#[test]
fn every_way_to_write_a_file() {
    let cases: &[Case] = &[
        ("plain", b"name,email_address\nAda,a@x\nBob,b@x\n", &["2: Ada <a@x> - - -", "3: Bob <b@x> - - -"]),
        ("no break at the end", b"name,email_address\nAda,a@x", &["2: Ada <a@x> - - -"]),
        ("byte order mark", b"\xef\xbb\xbfname,email_address\nAda,a@x\n", &["2: Ada <a@x> - - -"]),
        (
            "CRLF, and empty lines",
            b"name,email_address\r\n\r\nAda,a@x\r\n\r\n\r\nBob,b@x\r\nCy\r\n",
            &["3: Ada <a@x> - - -", "6: Bob <b@x> - - -", "7! has fewer values than columns: 1, not 2"],
        ),
        (
            "empty lines first",
            b"\n\nname,email_address\nAda,a@x\nBob\n",
            &["4: Ada <a@x> - - -", "5! has fewer values than columns: 1, not 2"],
        ),
        (
            "quotes",
            b"name,email_address\n\"Love\"\"lace\"\", Ada\",a@x\n\"Bob\",\"b@x\"\n",
            &["2: Love\"lace\", Ada <a@x> - - -", "3: Bob <b@x> - - -"],
        ),
        (
            "any order, any case, blanks",
            b"Username, EXTERNAL_ID ,email_address,name,profile\nu1 , 7,a@x, Ada ,p\n,,b@x,Bob,\n",
            &["2: Ada <a@x> 7 p u1", "3: Bob <b@x> - - -"],
        ),
        ("semicolons", b"name;email_address;external_id\nL, Ada;a@x;7\n", &["2: L, Ada <a@x> 7 - -"]),
        ("tabs", b"name\temail_address\nAda\ta@x\n", &["2: Ada <a@x> - - -"]),
        ("a header alone", b"name,email_address\n", &[]),
        (
            "nothing",
            b"",
            &[
                "it is empty | the first line of a CSV file names its columns: name,email_address,external_id,profile,username",
            ],
        ),
        (
            "white space",
            b"\xef\xbb\xbf \r\n\n",
            &[
                "it is empty | the first line of a CSV file names its columns: name,email_address,external_id,profile,username",
            ],
        ),
        ("UTF-16", b"\xff\xfen\0a\0", &["it is UTF-16, not UTF-8 | save it as UTF-8"]),
        (
            "unknown column",
            b"name,email_adress,email_address\n",
            &["the header does not fit: there is no column \"email_adress\" (did you mean \"email_address\"?) | "],
        ),
        (
            "nothing like a header",
            b"Ada,a@x\n",
            &[
                "the header does not fit: there is no column \"Ada\"; there is no column \"a@x\"; the column \"name\" is missing; \
               the column \"email_address\" is missing | there are: name, email_address, external_id, profile, username",
            ],
        ),
        (
            "missing column",
            b"name,external_id\n",
            &["the header does not fit: the column \"email_address\" is missing | the first line names the columns: \
               name,email_address,external_id,profile,username"],
        ),
        (
            "a column twice",
            b"name,email_address,Name\n",
            &["the header does not fit: the column \"name\" is there twice | "],
        ),
    ];
    each(cases);
}

#[test]
fn every_way_to_get_a_row_wrong() {
    let long = format!("name,email_address\n{},a@x\n", "n".repeat(321));
    let cases: &[Case] = &[
        (
            "too few and too many values",
            b"name,email_address,profile\nAda,a@x\nBob,b@x,p,q\n",
            &[
                "2! has fewer values than columns: 2, not 3",
                "3! has more values than columns: 4, not 3 | a value with a comma in it stands in quotation marks",
            ],
        ),
        (
            "values that are missing",
            b"name,email_address\n,\nAda,\n",
            &["2! name is missing", "2! email_address is missing", "3! email_address is missing"],
        ),
        (
            "not UTF-8",
            b"name,email_address\nAd\xe4,a@x\nBob,b@x\n",
            &["3: Bob <b@x> - - -", "2! name is not UTF-8 | save the file as UTF-8"],
        ),
        ("NUL", b"name,email_address\nAd\0a,a@x\n", &["2! name has the character U+0000 in it"]),
        (
            "turns the writing",
            "name,email_address\nA\u{202e}da,a@x\n".as_bytes(),
            &["2! name has the character U+202E in it"],
        ),
        ("too long", long.as_bytes(), &["2! name has 321 characters, more than 320"]),
        (
            "a quote that is not closed",
            b"name,email_address\n\"Ada,a@x\nBob,b@x\n",
            &["2! has fewer values than columns: 1, not 2"],
        ),
        (
            "line breaks within quotes are counted",
            b"name,email_address\n\"A\nda\",a@x\nBob,b@x\n",
            &[
                "4: Bob <b@x> - - -",
                "2! name has a line break in it | look for a quotation mark that is not closed, in this row or before it",
            ],
        ),
        (
            "the same twice",
            b"name,email_address,external_id\nAda,a@x,1\nAda,b@x,2\nBob,A@X,3\nCy,c@x,1\nada,d@x,\nEve,e@x,\n",
            &[
                "2: Ada <a@x> 1 - -",
                "6: ada <d@x> - - -",
                "7: Eve <e@x> - - -",
                "3! name \"Ada\" stands in line 2 already",
                "4! email_address \"a@x\" stands in line 2 already",
                "5! external_id \"1\" stands in line 2 already",
            ],
        ),
    ];
    each(cases);
}

#[test]
fn json_lines() {
    let cases: &[Case] = &[
        (
            "JSON lines",
            b"\n{\"name\": \"Ada\", \"email_address\": \"a@x\", \"external_id\": 7, \"profile\": null}\r\n\n{\"email_address\":\"b@x\",\"name\":\"B\\u00f6b\"}",
            &["2: Ada <a@x> 7 - -", "4: B\u{f6}b <b@x> - - -"],
        ),
        (
            "JSON lines that are wrong",
            b"{\"name\": \"Ada\"}\n{\"name\": \"Bob\", \"mail\": 1, \"email_address\": []}\n{\"name\": \"C\", \"name\": \"D\", \"email_address\": \"c@x\"}\n\
              [1]\n{\"name\": \n{\"name\": \"\xff\"}\n{\"name\": \"E\", \"email_address\": \"e@x\", \"usrname\": \"e\"} x\n",
            &[
                "1! email_address is missing",
                "2! there is no column \"mail\" | there are: name, email_address, external_id, profile, username",
                "2! email_address must be text",
                "3! \"name\" is there twice",
                "4! is no JSON object: invalid type: sequence, expected an object",
                "5! is no JSON object: EOF while parsing a value, at byte 9 of the line",
                "6! is not UTF-8 | save the file as UTF-8",
                "7! is no JSON object: trailing characters, at byte 55 of the line",
            ],
        ),
        ("a JSON list", b" [{\"name\": \"Ada\"}]", &["it is a JSON list, not JSON lines | write one object in each line, without brackets and commas around them"]),
    ];
    each(cases);
}

#[test]
fn rows_are_counted_however_much_is_wrong_with_one() {
    let rows = read(b"name,email_address\n,\nAda,a@x\nBob,\n").unwrap();
    assert_eq!((rows.count(), rows.bad.len()), (3, 3));
}

proptest::proptest! {
    #[test]
    fn whatever_is_read_ends_and_names_lines_of_the_file(text in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let text = [b"name,email_address\n".as_slice(), &text].concat();
        if let Ok(rows) = read(&text) {
            let lines = 1 + text.iter().filter(|byte| **byte == b'\n').count();
            let named = rows.good.iter().map(|row| row.line).chain(rows.bad.iter().map(|bad| bad.line));
            proptest::prop_assert!(named.into_iter().all(|line| (2..=lines).contains(&line)));
        }
    }
}
