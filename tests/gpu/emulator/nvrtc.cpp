// A libnvrtc.so.12 that compiles for the emulated GPU: the host's C++ compiler makes a shared object, which `cuModuleLoadData` of driver.cpp opens.
// `OCHRE_EMULATED_HEADERS` names the directory of emulate.h; `OCHRE_EMULATED_NVRTC=refuses` makes every compilation fail.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

typedef int Result;
enum { OK = 0, INVALID = 3, COMPILATION = 6 };
struct Program {
    std::string text, code;
    std::vector<std::pair<std::string, std::string>> headers;
};

static bool save(const std::string &path, const std::string &text) {
    FILE *file = fopen(path.c_str(), "wb");
    if (!file) return false;
    bool is_written = fwrite(text.data(), 1, text.size(), file) == text.size();
    return fclose(file) == 0 && is_written;
}
static std::string load(const std::string &path) {
    std::string text;
    FILE *file = fopen(path.c_str(), "rb");
    if (!file) return text;
    char part[65536];
    for (size_t n; (n = fread(part, 1, sizeof part, file)) > 0;) text.append(part, n);
    fclose(file);
    return text;
}

extern "C" {
Result nvrtcVersion(int *major, int *minor) { *major = 12; *minor = 1; return OK; }
Result nvrtcCreateProgram(Program **program, const char *text, const char *, int count, const char *const *headers, const char *const *names) {
    *program = new Program{text, "", {}};
    for (int i = 0; i < count; i++) (*program)->headers.push_back({names[i], headers[i]});
    return OK;
}
Result nvrtcDestroyProgram(Program **program) {
    delete *program;
    *program = nullptr;
    return OK;
}
Result nvrtcCompileProgram(Program *program, int count, const char *const *options) {
    const char *mode = getenv("OCHRE_EMULATED_NVRTC"), *emulator = getenv("OCHRE_EMULATED_HEADERS");
    if (!emulator || (mode && !strcmp(mode, "refuses"))) return COMPILATION;
    bool is_exact = false;
    for (int i = 0; i < count; i++) is_exact |= !strcmp(options[i], "--fmad=false");
    char place[] = "/tmp/emulated-nvrtc-XXXXXX";
    // The compiler of the real one would join multiplications and additions.
    if (!is_exact || !mkdtemp(place)) return INVALID;
    std::string directory = place, built = directory + "/fused.so";
    bool is_saved = save(directory + "/fused.cu", program->text);
    for (auto &header : program->headers) is_saved &= save(directory + "/" + header.first, header.second);
    std::string command = "g++ -std=c++17 -O1 -fPIC -shared -ffp-contract=off -w -DEMULATED -x c++ -I " + directory + " -I '" + emulator + "' " + directory + "/fused.cu -o " + built;
    if (is_saved && system(command.c_str()) == 0) program->code = load(built);
    system(("rm -r " + directory).c_str());
    return program->code.empty() ? COMPILATION : OK;
}
Result nvrtcGetCUBINSize(Program *program, size_t *size) { *size = program->code.size(); return OK; }
Result nvrtcGetCUBIN(Program *program, char *code) { memcpy(code, program->code.data(), program->code.size()); return OK; }
}
