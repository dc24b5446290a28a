//! What is shown of cards of all kinds, from what `nvidia-smi` prints of them, and the ways of asking against stand-ins.
use super::smi::Answers;
use super::*;
use std::os::unix::fs::PermissionsExt;

const HEADER: &str = "\
Fri Nov 20 10:11:12 2026
+-----------------------------------------------------------------------------------------+
| NVIDIA-SMI 580.65.06              Driver Version: 580.65.06      CUDA Version: 13.0     |
+-----------------------------------------+------------------------+----------------------+
";

/// Two cards, one of which does not say whether it can be divided.
const TWO: &str = "\
0, GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77, NVIDIA H100 80GB HBM3, 1205, 81559, 34, 41, 580.65.06, Disabled
1, GPU-c08b3b84-e2f1-2a2c-3b2f-7e5a4ffb1c0e, Tesla T4, 0, 15360, 0, 36, 580.65.06, [N/A]
";
const TWO_PROCESSES: &str = "\
GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77, 901, /opt/programs/odd, named/python3, 180
GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77, 4242, /usr/share/ochre/prelude/ochre-worker, 1012
GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77, 77, [Not Found], [N/A]
";

const DIVIDED: &str = "0, GPU-c08b3b84-e2f1-2a2c-3b2f-7e5a4ffb1c0e, NVIDIA A100-SXM4-40GB, 11, 40960, [N/A], 30, 535.129.03, Enabled\n";
const DIVIDED_LIST: &str = "\
GPU 0: NVIDIA A100-SXM4-40GB (UUID: GPU-c08b3b84-e2f1-2a2c-3b2f-7e5a4ffb1c0e)
  MIG 3g.20gb     Device  0: (UUID: MIG-5c89852c-d268-c3f3-1b07-005d5ae1dc3f)
  MIG 1g.5gb      Device  1: (UUID: MIG-7089d0f3-293f-58c9-8f8c-5ea666eedbde)
GPU 1: Tesla T4 (UUID: GPU-00000000-e2f1-2a2c-3b2f-7e5a4ffb1c0e)
";

/// One whose memory is the machine's, and one that is lost.
const ODD: &str = "\
0, GPU-1d1c0a3f-0000-0000-0000-000000000000, NVIDIA GB10, [N/A], [N/A], 0, 38, 580.95.05, [N/A]
1, GPU-2d1c0a3f-0000-0000-0000-000000000000, NVIDIA A10G, [GPU is lost], [GPU is lost], [GPU is lost], [GPU is lost], [GPU is lost], [GPU is lost]
";

fn survey(cards: &str, processes: &str, list: &str) -> Survey {
    Answers { cards: cards.into(), processes: processes.into(), list: list.into(), header: HEADER.into() }.read()
}

fn around() -> Around {
    Around { workers: vec![4242], same_numbers: true, ..Around::default() }
}

fn shown(survey: &Survey, around: &Around) -> String {
    bundle(survey, around).text().expect("a text").to_owned()
}

#[test]
fn cards_processes_and_tensors_are_shown() {
    let around = Around { tensors: Some("cuda:0: 0.5 GB in 3 buffers".into()), notes: vec!["a note".into()], ..around() };
    let survey = survey(TWO, TWO_PROCESSES, "");
    let expected = "\
NVIDIA driver 580.65.06, CUDA 13.0

card  name                   memory           busy  temperature
0     NVIDIA H100 80GB HBM3  1.2 of 79.6 GiB  34 %  41 °C
1     Tesla T4               0.0 of 15.0 GiB  0 %   36 °C

card  process  memory   what it is
0     4242     1.0 GiB  this session's worker
0     901      0.2 GiB  python3
0     77       -        -

tensors of this session
cuda:0: 0.5 GB in 3 buffers

a note";
    assert_eq!(shown(&survey, &around), expected);
    let html = bundle(&survey, &around);
    let Some(ochre_link::Data::Text(html)) = html.get("text/html") else { panic!("no HTML") };
    assert!(html.contains("<td style=\"text-align:left\">this session's worker</td>") && html.contains("tensors of this session<br>cuda:0"), "{html}");
}

#[test]
fn a_container_is_told_what_it_does_not_see() {
    let mut survey = survey(TWO, TWO_PROCESSES, "");
    let container = Around { same_numbers: false, ..around() };
    // A number of the host's means nobody here.
    let text = shown(&survey, &container);
    assert!(text.contains("process on the host") && !text.contains("this session's worker") && text.contains("ochre-worker"), "{text}");
    survey.cards[0].processes = Some(Vec::new());
    assert!(shown(&survey, &container).ends_with("\n\nwho holds the memory of card 0 is not seen from a container"));
    survey.cards[0].processes = None;
    assert!(shown(&survey, &around()).ends_with("\n\nwho holds the memory of card 0 is not shown to this user"));
    survey.cards[0].memory.used = Some(600 << 20);
    assert!(!shown(&survey, &around()).contains("who holds"), "what a driver keeps for itself has no holder");
}

#[test]
fn a_divided_card_has_parts() {
    let expected = "\
NVIDIA driver 535.129.03, CUDA 13.0

card  name                                   memory           busy  temperature
0     NVIDIA A100-SXM4-40GB (divided by MIG)  0.0 of 40.0 GiB  -     30 °C
        MIG 3g.20gb                          -
        MIG 1g.5gb                           -";
    let found = shown(&survey(DIVIDED, "", DIVIDED_LIST), &around());
    let squeezed = |text: &str| text.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>();
    assert_eq!(squeezed(&found), squeezed(expected), "{found}");
    let none = shown(&survey(DIVIDED, "", ""), &around());
    assert!(none.contains("(divided by MIG, without a part to use)"), "{none}");
    // The library tells the memory of parts, and names them after the card.
    let part = Part { name: "NVIDIA A100-SXM4-40GB MIG 1g.5gb".into(), memory: Memory { used: Some(1 << 30), total: Some(5 << 30) } };
    let mut survey = survey(DIVIDED, "", "");
    survey.cards[0].parts = vec![part];
    let text = shown(&survey, &around());
    assert!(text.lines().any(|l| l.split_whitespace().collect::<Vec<_>>().join(" ") == "MIG 1g.5gb 1.0 of 5.0 GiB"), "{text}");
}

#[test]
fn what_a_card_does_not_say_is_a_dash() {
    let text = shown(&survey(ODD, "", ""), &around());
    let lines: Vec<Vec<&str>> = text.lines().map(|l| l.split_whitespace().collect()).collect();
    assert!(lines.contains(&vec!["0", "NVIDIA", "GB10", "-", "0", "%", "38", "°C"]), "{text}");
    assert!(lines.contains(&vec!["1", "NVIDIA", "A10G", "-", "-", "-"]), "{text}");
    assert_eq!(shown(&Survey::default(), &around()), "NVIDIA driver, and no card: tensors use the CPU");
    // Lines of other programs, and of a version that prints other fields.
    assert_eq!(survey("No devices were found\n0, GPU-x, a\n", "nonsense\n", "").cards, []);
}

#[test]
fn a_machine_without_a_gpu_is_told_what_to_do_in_one_line() {
    let all = [Absence::NoDriver, Absence::NoLibraries(2), Absence::Undescribed("/usr/lib/libcuda.so.1".into()), Absence::Refused("RM detects a mismatch.".into())];
    for one in &all {
        let text = absence(one, 8);
        assert!(!text.contains('\n') && text.contains(if matches!(one, Absence::Undescribed(_)) { "can use them" } else { "tensors use the CPU, with 8 threads" }), "{text}");
    }
    assert!(absence(&all[0], 1).contains("with 1 thread;") && absence(&all[0], 1).contains("pip install nvidia-cublas nvidia-cudnn-cu13 nvidia-cuda-nvrtc"));
    assert!(absence(&all[1], 1).starts_with("2 NVIDIA cards without the driver's libraries"));
    assert!(absence(&all[3], 1).contains("(RM detects a mismatch)"));
}

/// A program of this text in a directory that goes away with the test.
fn program(directory: &tempfile::TempDir, text: &str) -> PathBuf {
    let path = directory.path().join("nvidia-smi");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).expect("a file");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("executable");
    // A process that another test starts at this moment has the file open for writing until it is its own program.
    let busy = || std::process::Command::new(&path).output().is_err_and(|error| error.kind() == std::io::ErrorKind::ExecutableFileBusy);
    assert!((0..1000).any(|_| !busy()), "the program stays busy");
    path
}

#[test]
fn the_program_is_asked_where_the_library_is_not_there() {
    let directory = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).expect("a file");
    (write("cards", DIVIDED), write("processes", TWO_PROCESSES), write("list", DIVIDED_LIST), write("header", HEADER));
    let place = directory.path().display();
    let smi = program(
        &directory,
        &format!("case \"$1\" in --query-gpu=*) cat {place}/cards;; --query-compute-apps=*) cat {place}/processes;; -L) cat {place}/list;; '') cat {place}/header;; *) exit 2;; esac"),
    );
    let tools = Tools { smi: Some(smi), nvml: Some("/nowhere/libnvidia-ml.so.1".into()), ..Tools::default() };
    let survey = tools.survey().expect("a survey");
    assert_eq!((survey.driver.as_deref(), survey.cuda), (Some("535.129.03"), Some((13, 0))));
    assert_eq!(survey.cards[0].parts.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["MIG 3g.20gb", "MIG 1g.5gb"]);
}

#[test]
fn each_way_of_having_no_answer_is_told_apart() {
    let directory = tempfile::tempdir().expect("a directory");
    let words = "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.";
    let smi = program(&directory, &format!("echo \"{words}\"; echo; exit 9"));
    let cuda = Some(PathBuf::from("/usr/lib/libcuda.so.1"));
    assert_eq!(Tools { smi: Some(smi), cuda: cuda.clone(), ..Tools::default() }.survey(), Err(Absence::Refused(words.into())));
    assert_eq!(Tools { cuda, devices: 1, ..Tools::default() }.survey(), Err(Absence::Undescribed("/usr/lib/libcuda.so.1".into())));
    assert_eq!(Tools { devices: 2, ..Tools::default() }.survey(), Err(Absence::NoLibraries(2)));
    assert_eq!(Tools::default().survey(), Err(Absence::NoDriver));
    for name in ["nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"] {
        std::fs::write(directory.path().join(name), "").expect("a file");
    }
    assert_eq!(devices(directory.path()), 2);
}

/// The library's interface as far as it is asked, on a machine that has none: one whole card and one divided.
const LIBRARY: &str = r#"
#include <string.h>
typedef unsigned u; typedef unsigned long long l;
typedef struct { u version; l total, reserved, free, used; } memory;
typedef struct { u gpu, memory; } rates;
typedef struct { u pid; l memory; u gi, ci; } process;
#define CARD ((void *)1)
#define OLD ((void *)2)
#define PART ((void *)3)
u nvmlInit_v2(void) { return 0; }
u nvmlShutdown(void) { return 0; }
u nvmlSystemGetDriverVersion(char *t, u n) { strncpy(t, "580.65.06", n); return 0; }
u nvmlSystemGetCudaDriverVersion_v2(int *v) { *v = 13000; return 0; }
u nvmlSystemGetCudaDriverVersion(int *v) { *v = 13000; return 0; }
u nvmlDeviceGetCount_v2(u *n) { *n = 3; return 0; }
u nvmlDeviceGetHandleByIndex_v2(u i, void **d) { if (i == 2) return 15; *d = i ? OLD : CARD; return 0; }
u nvmlDeviceGetName(void *d, char *t, u n) { strncpy(t, d == CARD ? "NVIDIA H100" : d == OLD ? "NVIDIA A100" : "NVIDIA A100 MIG 1g.5gb", n); return 0; }
u nvmlDeviceGetMemoryInfo_v2(void *d, memory *m) { m->total = 80ull << 30; m->used = 5ull << 30; m->free = 75ull << 30; m->reserved = 0; return d == OLD ? 3 : 0; }
u nvmlDeviceGetUtilizationRates(void *d, rates *r) { r->gpu = 34; r->memory = 9; return d == CARD ? 0 : 3; }
u nvmlDeviceGetTemperature(void *d, u s, u *c) { *c = 41; return s ? 2 : 0; }
u nvmlDeviceGetMigMode(void *d, u *now, u *later) { *now = *later = d == OLD; return d == CARD ? 3 : 0; }
u nvmlDeviceGetMaxMigDeviceCount(void *d, u *n) { *n = 7; return 0; }
u nvmlDeviceGetMigDeviceHandleByIndex(void *d, u i, void **p) { *p = PART; return i ? 6 : 0; }
static u list(u *n, process *p, u pid, l memory) {
    if (*n < 1) { *n = 1; return 7; }
    *n = 1; p->pid = pid; p->memory = memory; p->gi = p->ci = ~0u; return 0;
}
u nvmlDeviceGetComputeRunningProcesses_v3(void *d, u *n, process *p) {
    if (d == OLD) return 4;
    return d == CARD ? list(n, p, 4242, 3ull << 30) : list(n, p, 77, ~0ull);
}
u nvmlDeviceGetGraphicsRunningProcesses_v3(void *d, u *n, process *p) { if (d == CARD) return list(n, p, 4242, 1ull << 20); *n = 0; return d == OLD ? 4 : 0; }
u nvmlSystemGetProcessName(u pid, char *t, u n) { strncpy(t, pid == 4242 ? "/usr/bin/python3" : "", n); return pid == 4242 ? 0 : 6; }
"#;

#[test]
fn the_library_is_read_field_by_field() {
    let directory = tempfile::tempdir().expect("a directory");
    let (source, library) = (directory.path().join("nvml.c"), directory.path().join("libnvidia-ml.so.1"));
    std::fs::write(&source, LIBRARY).expect("a file");
    // rustc links with it, so it is on every machine that builds this.
    let built = std::process::Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status().expect("a C compiler");
    assert!(built.success());
    let survey = Tools { nvml: Some(library), ..Tools::default() }.survey().expect("a survey");
    let memory = Memory { used: Some(5 << 30), total: Some(80 << 30) };
    let expected = Survey {
        driver: Some("580.65.06".into()),
        cuda: Some((13, 0)),
        cards: vec![
            Card {
                name: "NVIDIA H100".into(),
                memory,
                busy: Some(34),
                temperature: Some(41),
                processes: Some(vec![Process { pid: 4242, name: Some("/usr/bin/python3".into()), memory: Some(3 << 30) }]),
                ..Card::default()
            },
            Card {
                number: 1,
                name: "NVIDIA A100".into(),
                temperature: Some(41),
                divided: true,
                parts: vec![Part { name: "NVIDIA A100 MIG 1g.5gb".into(), memory }],
                processes: Some(vec![Process { pid: 77, name: None, memory: None }]),
                ..Card::default()
            },
            Card { number: 2, name: "cannot be used: device fell off the bus or has otherwise become inacessible".into(), ..Card::default() },
        ],
    };
    assert_eq!(survey, expected);
}
