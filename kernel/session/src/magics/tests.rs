//! What every magic must have, of whichever family: the conformance test that extensions' magics pass too.
use super::*;
use crate::names::SessionNames;
use crate::parts::{Part, cut};
use ochre_api::{Kind, Registry, help};

fn registry() -> Registry {
    let mut registry = Registry::default();
    registry.add(all()).expect("names are unique");
    registry
}

#[test]
fn every_magic_has_help_examples_and_arguments_that_make_sense() {
    for magic in registry().iter() {
        let spec = magic.spec();
        let name = spec.name;
        assert!(!spec.summary.is_empty() && !spec.summary.ends_with('.'), "%{name}: summary");
        assert!(!spec.examples.is_empty(), "%{name}: examples");
        assert!(help::long(spec).contains(spec.summary), "%{name}: help");
        for (at, argument) in spec.arguments.iter().enumerate() {
            assert!(!argument.help.is_empty(), "%{name} {}: help", argument.name);
            assert!(argument.kind != Kind::Rest || at + 1 == spec.arguments.len(), "%{name}: the rest comes last");
            assert!(spec.arguments[..at].iter().all(|a| a.name != argument.name), "%{name} {}: twice", argument.name);
        }
    }
}

#[test]
fn every_example_is_a_line_that_the_magic_takes() {
    let registry = registry();
    let names = SessionNames::new(&registry, &[], &[]);
    for magic in registry.iter() {
        for example in magic.spec().examples {
            let parts = cut(example.text, &names);
            let line = match parts.as_slice() {
                [Part::Magic(line)] => line.clone(),
                [Part::Command(line)] => evcxr::translate(line.clone()).expect("a command of evcxr"),
                other => panic!("{:?} is {other:?}", example.text),
            };
            let found = registry.get(&line.name).unwrap_or_else(|| panic!("{:?} names no magic", example.text));
            assert_eq!(found.spec().name, magic.spec().name, "{:?} belongs to another magic", example.text);
            let arguments = magic.parse(&line.rest, line.body.is_some());
            assert!(arguments.is_ok(), "{:?}: {}", example.text, arguments.expect_err("failed"));
        }
    }
}

#[test]
fn every_magic_of_the_interface_is_there() {
    let registry = registry();
    let names = "lsmagic vars reset recover dep opt engine time timeit history load writefile bash env cd run gpu expand";
    for name in names.split(' ') {
        assert!(registry.get(name).is_some(), "%{name}");
    }
}

#[test]
fn every_command_of_evcxr_leads_to_a_magic() {
    let registry = registry();
    for (command, magic) in evcxr::commands() {
        assert!(registry.get(magic).is_some(), ":{command} -> %{magic}");
    }
}
