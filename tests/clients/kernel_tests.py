"""jupyter_kernel_test: the suite that kernels are judged by, all of it."""
import jupyter_kernel_test


class OchreKernelTests(jupyter_kernel_test.KernelTests):
    kernel_name = "ochre"
    language_name = "rust"
    file_extension = ".rs"
    code_hello_world = 'println!("hello, world");'
    code_stderr = 'eprintln!("test");'
    completion_samples = [{"text": "%lsma", "matches": {"lsmagic"}}]
    complete_code_samples = ["1 + 1", "fn f() -> i32 { 1 }", "let x = \"a\";"]
    incomplete_code_samples = ["fn f() {", "let x = (1,", 'let s = "open']
    invalid_code_samples = ["let x = );", "}"]
    code_page_something = "%lsmagic?"
    code_generate_error = 'panic!("on purpose")'
    code_execute_result = [{"code": "6 * 7", "result": "42"}, {"code": "vec![1, 2]", "result": "[1, 2]"}]
    code_display_data = [
        {"code": 'ochre::display(&ochre::html("<b>bold</b>"));', "mime": "text/html"},
        {"code": "ochre::display(&ochre::svg(\"<svg xmlns='http://www.w3.org/2000/svg'/>\"));", "mime": "image/svg+xml"},
    ]
    code_history_pattern = "6 ? 7"
    supported_history_operations = ("tail", "search", "range")
    code_inspect_sample = "%lsmagic"
    code_clear_output = "ochre::clear_output(false);"


class OchreWelcomeTests(jupyter_kernel_test.IopubWelcomeTests):
    kernel_name = "ochre"
    support_iopub_welcome = True


del jupyter_kernel_test.KernelTests, jupyter_kernel_test.IopubWelcomeTests
