//! A forger has the database, and changes the trail behind the server's back:
//! `chartkey audit verify` says which entry is wrong.

use chartkey_benches::{Call, Server};
use chartkey_store::{StoreError, Tx};
use serde_json::json;

use crate::on_each_engine;

/// The row that is forged.
const ROW: i64 = 11;

/// Runs statements behind the server's back.
fn forge(server: &Server, statements: &[&str]) {
    let statements: Vec<String> = statements.iter().map(|sql| (*sql).to_owned()).collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let done: Result<(), StoreError> =
        runtime.block_on(server.store().write("test.forge", move |tx: &mut Tx| {
            for sql in &statements {
                tx.execute(sql, &[])?;
            }
            Ok(())
        }));
    done.unwrap();
}

/// SHA-256 as SQL cannot be had, so a forger who hashes takes another row's.
const OF_ANOTHER: &str =
    "(SELECT other.{} FROM ledger other WHERE other.log = 0 AND other.leaf_index = 5)";

#[test]
fn whatever_is_done_to_a_row_of_the_trail_is_named() {
    on_each_engine(|server| {
        let person = server.patient("Forged Trail");
        for n in 0..12 {
            let body = json!({"content": format!("text number {n}")});
            let made = server
                .send(&Call::post("/api/records").by(&person).json(&body))
                .expect(201)
                .json();
            let path = format!("/api/records/{}", made["id"].as_str().unwrap());
            let _ = server.send(&Call::get(path).by(&person)).expect(200);
        }
        server.stop();
        let whole = server.run(&["audit", "verify"]);
        assert_eq!(whole.code, Some(0), "{}", whole.stderr);
        assert!(whole.stdout.contains("trail: whole"), "{}", whole.stdout);
        let size = i64::try_from(server.leaves()).unwrap();
        assert!(size > ROW + 5, "there is a trail");
        forge(server, &["CREATE TABLE kept AS SELECT * FROM ledger"]);

        let here = format!("WHERE log = 0 AND leaf_index = {ROW}");
        let last = size - 1;
        let salt = OF_ANOTHER.replace("{}", "salt");
        let leaf = OF_ANOTHER.replace("{}", "leaf_hash");
        let chain = OF_ANOTHER.replace("{}", "chain_hash");
        let entry = OF_ANOTHER.replace("{}", "entry");
        let columns = "log, leaf_index, at, salt, entry, leaf_hash, chain_hash, patient_id, actor_id, action, grant_id, record_id";
        let copied = columns.replacen("leaf_index", "{}", 1);
        let swap = |a: i64, b: i64| {
            vec![
                format!("UPDATE ledger SET leaf_index = -1 WHERE log = 0 AND leaf_index = {a}"),
                format!("UPDATE ledger SET leaf_index = {a} WHERE log = 0 AND leaf_index = {b}"),
                format!("UPDATE ledger SET leaf_index = {b} WHERE log = 0 AND leaf_index = -1"),
            ]
        };
        let one = |sql: String| vec![sql];
        for (what, statements, named) in [
            ("flip the text", one(format!("UPDATE ledger SET entry = REPLACE(entry, '\"v\":1', '\"v\":2') {here}")), ROW),
            ("flip the salt", one(format!("UPDATE ledger SET salt = {salt} {here}")), ROW),
            ("flip the hash", one(format!("UPDATE ledger SET leaf_hash = {leaf} {here}")), ROW),
            ("flip the chain", one(format!("UPDATE ledger SET chain_hash = {chain} {here}")), ROW),
            ("put another whole entry there", one(format!(
                "UPDATE ledger SET salt = {salt}, entry = {entry}, leaf_hash = {leaf}, action = {}, at = {}, actor_id = {},
                 patient_id = {}, record_id = {}, grant_id = {} {here}",
                OF_ANOTHER.replace("{}", "action"), OF_ANOTHER.replace("{}", "at"), OF_ANOTHER.replace("{}", "actor_id"),
                OF_ANOTHER.replace("{}", "patient_id"), OF_ANOTHER.replace("{}", "record_id"), OF_ANOTHER.replace("{}", "grant_id"),
            )), ROW),
            ("hide who it was about", one(format!("UPDATE ledger SET patient_id = NULL {here}")), ROW),
            ("move it in time", one(format!("UPDATE ledger SET at = at + 60000 {here}")), ROW),
            ("delete one", one(format!("DELETE FROM ledger {here}")), ROW),
            ("delete the first", one("DELETE FROM ledger WHERE log = 0 AND leaf_index = 0".into()), 0),
            ("delete the last", one(format!("DELETE FROM ledger WHERE log = 0 AND leaf_index = {last}")), last),
            ("swap two neighbours", swap(ROW, ROW + 1), ROW),
            ("swap two that lie apart", swap(ROW, last), ROW),
            ("add one at the end", one(format!(
                "INSERT INTO ledger ({columns}) SELECT {} FROM ledger {here}", copied.replace("{}", &size.to_string())
            )), size),
            ("add one far behind the end", one(format!(
                "INSERT INTO ledger ({columns}) SELECT {} FROM ledger {here}", copied.replace("{}", &(size + 9).to_string())
            )), size),
            ("push one in and move the others on", vec![
                format!("UPDATE ledger SET leaf_index = -leaf_index WHERE log = 0 AND leaf_index > {ROW}"),
                "UPDATE ledger SET leaf_index = 1 - leaf_index WHERE log = 0 AND leaf_index < 0".into(),
                format!("INSERT INTO ledger ({columns}) SELECT {} FROM ledger {here}", copied.replace("{}", &(ROW + 1).to_string())),
            ], ROW + 1),
        ] {
            let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
            forge(server, &statements);
            let verified = server.run(&["audit", "verify"]);
            assert_eq!(verified.code, Some(1), "{what}: {}{}", verified.stdout, verified.stderr);
            let expected = format!("broken at entry {named}:");
            assert!(verified.stderr.contains(&expected), "{what}: expected {expected} and got {}", verified.stderr);
            forge(server, &["DELETE FROM ledger", "INSERT INTO ledger SELECT * FROM kept"]);
        }
        let whole = server.run(&["audit", "verify"]);
        assert_eq!(
            whole.code,
            Some(0),
            "put back as it was, it is whole: {}",
            whole.stderr
        );
    });
}

#[test]
fn a_trail_that_was_cut_and_sewn_is_caught_by_a_checkpoint() {
    on_each_engine(|server| {
        let person = server.patient("Cut And Sewn");
        let read = Call::get("/api/records").by(&person);
        let _ = server.send(&read).expect(200);
        let note = server
            .send(&Call::get("/api/audit/checkpoint"))
            .expect(200)
            .text();
        let size: i64 = note.lines().nth(1).unwrap().parse().unwrap();
        assert!(size > 2);
        server.stop();
        // Everything that says how long the log is, except what was signed.
        forge(
            server,
            &[
                &format!(
                    "DELETE FROM ledger WHERE log = 0 AND leaf_index >= {}",
                    size - 2
                ),
                "DELETE FROM ledger_state WHERE log = 0",
            ],
        );
        let verified = server.run(&["audit", "verify"]);
        assert_eq!(verified.code, Some(1), "{}", verified.stdout);
        assert!(
            verified.stderr.contains("broken at entry"),
            "{}",
            verified.stderr
        );
    });
}
