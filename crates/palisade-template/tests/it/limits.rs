//! A runaway template is an error, not a dead site; and templates that change.

use crate::{page, secrets};
use palisade_template::{Layer, Options, PageSecrets, Templates, context};
use std::time::{Duration, SystemTime};

// F017
#[test]
fn work_depth_and_length_are_bounded() {
    let rows = [
        (
            "{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}",
            "fuel",
        ),
        ("{% include 'page.html' %}", "recursion"),
        (
            "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
            "recursion",
        ),
        (
            "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}",
            "recursion",
        ),
        (
            "{% for a in range(2000) %}xxxxxxxxxx{{ long }}{% endfor %}",
            "longer than 1000000 bytes",
        ),
    ];
    for (source, message) in rows {
        let options = Options::new().max_page_bytes(1_000_000);
        let templates =
            Templates::load_with(vec![Layer::embedded(&[("page.html", source)])], options).unwrap();
        let error = templates
            .render(
                "page.html",
                context! { long => "y".repeat(1000) },
                PageSecrets::none(),
            )
            .unwrap_err()
            .to_string();
        assert!(error.contains(message), "{source}: {error}");
    }
}

#[test]
fn misspellings_are_errors() {
    let render = |source: &str| {
        let templates = Templates::load(vec![Layer::embedded(&[("page.html", source)])]).unwrap();
        templates.render(
            "page.html",
            context! { map => context! { a => 1 } },
            PageSecrets::none(),
        )
    };
    for source in [
        "{{ misspelt }}",
        "<p title=\"{{ misspelt }}\">",
        "<a href=\"{{ map.b }}\">",
        "<script>f({{ misspelt }})</script>",
        "{{ map }}",
        "{{ map|sanitize('everything') }}",
    ] {
        assert!(render(source).is_err(), "{source}");
    }
    // a filter is known before a page is rendered
    for source in [
        "{{ '../secret'|nofilter }}",
        "{% filter nofilter %}x{% endfilter %}",
    ] {
        let problems = palisade_template::check("page.html", source);
        assert!(
            problems[0]
                .message
                .contains("there is no filter `nofilter`"),
            "{source}: {problems:?}"
        );
    }
    assert_eq!(
        page(
            "<p title=\"{{ 'a' if false }}\">{{ 'a' if false }}",
            context! {}
        ),
        "<p title=\"\">",
        "left out on purpose"
    );
}

#[test]
fn changed_files_are_read_again_and_refused_ones_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("part.html");
    let write = |text: &str, age: u64| {
        std::fs::write(&path, text).unwrap();
        // the clock of the file system may be too coarse to see two writes
        std::fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(SystemTime::now() - Duration::from_secs(age))
            .unwrap();
    };
    write("{{ x }}", 30);
    let layer = Layer::embedded(&[
        ("page.html", "<p title=\"{% include 'part.html' %}\">"),
        ("part.html", "old"),
    ])
    .watching(folder.path());
    let templates = Templates::load(vec![layer]).unwrap();
    let render = || {
        templates
            .render("page.html", context! { x => "\"" }, secrets())
            .map_err(|error| error.to_string())
    };
    assert_eq!(render().unwrap(), "<p title=\"&quot;\">");
    write("new {{ x }}", 20);
    assert_eq!(render().unwrap(), "<p title=\"new &quot;\">");
    write("\"><b {{ x|safe }}", 10);
    let error = render().unwrap_err();
    assert!(
        error.contains("`safe` does not exist") && error.contains("part.html:1:11"),
        "{error}"
    );
    write("changed", 5);
    assert_eq!(render().unwrap(), "<p title=\"changed\">");
    std::fs::write(folder.path().join("added.html"), "added").unwrap();
    assert_eq!(
        templates
            .render("added.html", context! {}, secrets())
            .unwrap(),
        "added"
    );
}
