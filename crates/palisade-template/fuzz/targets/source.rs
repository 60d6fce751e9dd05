//! Any text as a template: nothing panics, and what is accepted was proven twice.

#![no_main]

#[path = "../../tests/it/reading.rs"]
#[allow(dead_code, reason = "this target uses a part of it")]
mod reading;

use palisade_template::context;

libfuzzer_sys::fuzz_target!(|source: &str| {
    match reading::lenient(&[("page.html", source), ("part.html", "{{ x }}"), ("base.html", "<p>{% block a %}{% endblock %}</p>")]) {
        Ok(templates) => {
            let _ = templates.render("page.html", context! { x => "\"'><script>alert(1)</script>", y => vec![1, 2] }, reading::secrets());
        }
        Err(error) => assert!(!error.contains("cannot be proven safe"), "{error}"),
    }
});
