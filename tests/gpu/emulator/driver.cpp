// A libcuda.so.1 whose one GPU is the CPU: for tests of everything between a tensor's operation and its kernel on machines without a GPU.
// It does what the real one does for the calls that `extensions/tensors/src/cuda` makes, and no more.
#include "emulate.h"
#include <cstdio>
#include <cstdlib>
#include <dlfcn.h>
#include <elf.h>
#include <functional>
#include <csetjmp>
#include <map>
#include <mutex>
#include <string>
#include <ucontext.h>
#include <unistd.h>
#include <vector>

#ifdef __aarch64__
enum { EM_HOST = EM_AARCH64 };
#else
enum { EM_HOST = EM_X86_64 };
#endif

Place3 threadIdx, blockIdx, blockDim, gridDim;

static std::map<std::string, Kernel> &kernels() {
    static std::map<std::string, Kernel> all;
    return all;
}
void register_kernel(Kernel kernel) {
    // Modules are separate on a GPU, but not here.
    if (!kernels().emplace(kernel.name, kernel).second && strncmp(kernel.name, "fused_", 6)) {
        fprintf(stderr, "two kernels are called %s\n", kernel.name);
        abort();
    }
}

// ---- threads of a block as fibers ------------------------------------------------------------------------------------------------------
namespace {
enum State { RUNNING, AT_BLOCK, AT_WARP, ENDED };
// A context starts a fiber; afterwards jumps switch to and fro, for they need no system call.
struct Fiber {
    ucontext_t context;
    jmp_buf at;
    bool is_started;
    State state;
    int value;
    Place3 place;
};
const size_t STACK = 128 << 10;
Fiber fibers[1024];
char *stacks;
jmp_buf scheduler;
int current;
const Kernel *running;
const void *argument;

void wait_at(State state) {
    fibers[current].state = state;
    if (!_setjmp(fibers[current].at)) _longjmp(scheduler, 1);
}
// One kernel after the other.
void body() {
    for (;;) {
        running->run(argument);
        wait_at(ENDED);
    }
}
void go_on(Fiber &f) {
    if (_setjmp(scheduler)) return;
    if (f.is_started) _longjmp(f.at, 1);
    f.is_started = true;
    setcontext(&f.context);
}
void prepare(int t) {
    Fiber &f = fibers[t];
    if (f.is_started) return;
    getcontext(&f.context);
    f.context.uc_stack.ss_sp = stacks + STACK * t;
    f.context.uc_stack.ss_size = STACK;
    f.context.uc_link = nullptr;
    makecontext(&f.context, body, 0);
}
[[noreturn]] void broken(const char *what) {
    fprintf(stderr, "kernel %s: %s\n", running->name, what);
    abort();
}

void run_block() {
    int threads = blockDim.x * blockDim.y * blockDim.z;
    if (!stacks) stacks = (char *)malloc(STACK * 1024);
    for (int t = 0; t < threads; t++) {
        prepare(t);
        fibers[t].state = RUNNING;
        fibers[t].place = {t % blockDim.x, t / blockDim.x % blockDim.y, t / blockDim.x / blockDim.y};
    }
    for (;;) {
        int at_block = 0, ended = 0;
        for (current = 0; current < threads; current++) {
            if (fibers[current].state == RUNNING) {
                threadIdx = fibers[current].place;
                go_on(fibers[current]);
            }
        }
        bool moved = false;
        for (int warp = 0; warp < threads; warp += 32) {
            int last = warp + 32 < threads ? warp + 32 : threads, waiting = 0;
            for (int t = warp; t < last; t++) waiting += fibers[t].state == AT_WARP;
            if (waiting == 0) continue;
            if (waiting != 32) broken("a shuffle that not all threads of a warp reach");
            for (int t = warp; t < last; t++) fibers[t].state = RUNNING;
            moved = true;
        }
        for (int t = 0; t < threads; t++) {
            at_block += fibers[t].state == AT_BLOCK;
            ended += fibers[t].state == ENDED;
        }
        if (ended == threads) return;
        if (moved) continue;
        if (at_block != threads) broken("a barrier that not all threads of a block reach");
        for (int t = 0; t < threads; t++) fibers[t].state = RUNNING;
    }
}
}

void __syncthreads() { wait_at(AT_BLOCK); }
int __shfl_xor_sync(unsigned, int value, int lanes) {
    int me = current;
    fibers[me].value = value;
    wait_at(AT_WARP);
    int other = fibers[(me & ~31) | ((me ^ lanes) & 31)].value;
    // Nobody changes a value before all have read.
    wait_at(AT_WARP);
    return other;
}

static void run_grid(const Kernel &kernel, const std::vector<char> &bytes, Place3 grid, Place3 block) {
    running = &kernel;
    argument = bytes.data();
    gridDim = grid;
    blockDim = block;
    for (unsigned z = 0; z < grid.z; z++)
        for (unsigned y = 0; y < grid.y; y++)
            for (unsigned x = 0; x < grid.x; x++) {
                blockIdx = {x, y, z};
                run_block();
            }
}

// ---- the driver's calls ----------------------------------------------------------------------------------------------------------------
typedef int Result;
typedef unsigned long long Pointer;
enum { OK = 0, INVALID = 1, NO_MEMORY = 2, NOT_FOUND = 500, IN_CAPTURE = 900 };

// Calls come from several threads, as they may to the real driver; the one GPU does one after the other.
static std::recursive_mutex one_at_a_time;
#define ALONE std::lock_guard<std::recursive_mutex> alone(one_at_a_time);

static bool capturing;
// Copies from pinned memory wait until somebody waits for them, or for what comes after: who changes the memory before has a bug.
static std::vector<std::function<void()>> waiting;
static void catch_up() {
    for (auto &copy : waiting) copy();
    waiting.clear();
}
// Kernels that are started and do nothing: what is measured is the host's part.
static bool is_idle() {
    static bool set = getenv("OCHRE_EMULATED_IDLE") != nullptr;
    return set;
}
static std::vector<std::function<void()>> recorded;
typedef std::vector<std::function<void()>> Graph;
static Result submit(std::function<void()> work) {
    catch_up();
    if (capturing) recorded.push_back(work);
    else work();
    return OK;
}
static size_t total() {
    const char *set = getenv("OCHRE_EMULATED_MEMORY");
    return set ? strtoull(set, nullptr, 10) : (size_t)2 << 30;
}
static size_t used;
static std::map<Pointer, size_t> memory;
static std::map<Pointer, size_t> pinned;
static bool lies_in(const std::map<Pointer, size_t> &blocks, Pointer at, size_t bytes) {
    auto after = blocks.upper_bound(at);
    if (after == blocks.begin()) return false;
    --after;
    return at + bytes <= after->first + after->second;
}
static bool owns(Pointer at, size_t bytes) { return lies_in(memory, at, bytes); }

extern "C" {
Result cuInit(unsigned) { return OK; }
Result cuDriverGetVersion(int *version) { *version = 13000; return OK; }
Result cuDeviceGetCount(int *count) { *count = 1; return OK; }
Result cuDeviceGet(int *device, int number) { *device = number; return OK; }
Result cuDeviceGetName(char *name, int size, int) { snprintf(name, size, "the CPU as a GPU"); return OK; }
Result cuDeviceGetAttribute(int *value, int which, int) {
    // Few multiprocessors, so that small tests cut work into parts, too.
    *value = which == 75 ? 9 : which == 76 ? 0 : which == 16 ? 16 : 1;
    return OK;
}
Result cuDevicePrimaryCtxRetain(void **context, int) { *context = (void *)1; return OK; }
Result cuCtxSetCurrent(void *) { return OK; }
Result cuStreamCreate(void **stream, unsigned) { *stream = (void *)1; return OK; }
Result cuStreamSynchronize(void *) {
    ALONE
    catch_up();
    return capturing ? IN_CAPTURE : OK;
}
Result cuMemHostAlloc(void **memory, size_t bytes, unsigned) {
    ALONE
    *memory = calloc(1, bytes);
    pinned[(Pointer)*memory] = bytes;
    return OK;
}
Result cuEventCreate(void **event, unsigned) { *event = (void *)1; return OK; }
Result cuEventRecord(void *, void *) { return OK; }
Result cuEventSynchronize(void *) {
    ALONE
    catch_up();
    return OK;
}
Result cuMemHostGetDevicePointer_v2(Pointer *device, void *host, unsigned) { *device = (Pointer)host; return OK; }
Result cuMemGetInfo_v2(size_t *left, size_t *all) {
    ALONE
    *all = total();
    *left = *all - used;
    return OK;
}
Result cuMemAlloc_v2(Pointer *at, size_t bytes) {
    ALONE
    if (used + bytes > total()) return NO_MEMORY;
    void *block = aligned_alloc(512, (bytes + 511) / 512 * 512);
    if (!block) return NO_MEMORY;
    // Nobody may count on zeros: this is a NaN of most types.
    memset(block, 0xff, bytes);
    memory[(Pointer)block] = bytes;
    used += bytes;
    *at = (Pointer)block;
    return OK;
}
Result cuMemFree_v2(Pointer at) {
    ALONE
    auto found = memory.find(at);
    if (found == memory.end()) return INVALID;
    catch_up();
    used -= found->second;
    memory.erase(found);
    free((void *)at);
    return OK;
}
Result cuMemcpyHtoDAsync_v2(Pointer to, const void *from, size_t bytes, void *) {
    ALONE
    if (capturing) return IN_CAPTURE;
    if (!owns(to, bytes)) return INVALID;
    if (lies_in(pinned, (Pointer)from, bytes)) {
        waiting.push_back([=] { memcpy((void *)to, from, bytes); });
        return OK;
    }
    catch_up();
    memcpy((void *)to, from, bytes);
    return OK;
}
Result cuMemcpyDtoHAsync_v2(void *to, Pointer from, size_t bytes, void *) {
    ALONE
    if (capturing) return IN_CAPTURE;
    if (!owns(from, bytes)) return INVALID;
    catch_up();
    memcpy(to, (void *)from, bytes);
    return OK;
}
Result cuMemcpyDtoDAsync_v2(Pointer to, Pointer from, size_t bytes, void *) {
    ALONE
    if (!owns(to, bytes) || !owns(from, bytes)) return INVALID;
    return submit([=] { memmove((void *)to, (void *)from, bytes); });
}
Result cuMemsetD8Async(Pointer to, unsigned char value, size_t bytes, void *) {
    ALONE
    if (bytes && !owns(to, bytes)) return INVALID;
    return submit([=] { memset((void *)to, value, bytes); });
}
Result cuModuleLoadData(void **module, const void *image) {
    ALONE
    // A shared object for this machine: nvrtc.cpp made it. Everything else is for a real GPU, and linked in here.
    const Elf64_Ehdr *head = (const Elf64_Ehdr *)image;
    *module = (void *)1;
    if (memcmp(head->e_ident, ELFMAG, SELFMAG) || head->e_type != ET_DYN || head->e_machine != EM_HOST) return OK;
    if (capturing) return IN_CAPTURE;
    char path[] = "/tmp/emulated-module-XXXXXX";
    int file = mkstemp(path);
    if (file < 0) return INVALID;
    ssize_t size = head->e_shoff + (size_t)head->e_shnum * head->e_shentsize;
    bool is_loaded = write(file, image, size) == size && dlopen(path, RTLD_NOW | RTLD_LOCAL);
    close(file);
    unlink(path);
    return is_loaded ? OK : INVALID;
}
Result cuModuleGetFunction(void **function, void *, const char *name) {
    ALONE
    auto found = kernels().find(name);
    if (found == kernels().end()) return NOT_FOUND;
    *function = (void *)&found->second;
    return OK;
}
Result cuLaunchKernel(void *function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned, void *, void **arguments, void **) {
    ALONE
    const Kernel &kernel = *(const Kernel *)function;
    if (is_idle()) return OK;
    if (bx * by * bz > 1024 || gy > 65535 || gz > 65535 || !gx || !gy || !gz) return INVALID;
    std::vector<char> bytes((char *)arguments[0], (char *)arguments[0] + kernel.bytes);
    return submit([=, &kernel] { run_grid(kernel, bytes, {gx, gy, gz}, {bx, by, bz}); });
}
Result cuStreamBeginCapture_v2(void *, int) {
    ALONE
    if (capturing) return INVALID;
    capturing = true;
    recorded.clear();
    return OK;
}
Result cuStreamEndCapture(void *, void **graph) {
    ALONE
    capturing = false;
    *graph = new Graph(recorded);
    recorded.clear();
    return OK;
}
Result cuGraphInstantiateWithFlags(void **executable, void *graph, unsigned long long) { *executable = new Graph(*(Graph *)graph); return OK; }
Result cuGraphDestroy(void *graph) { delete (Graph *)graph; return OK; }
Result cuGraphExecDestroy(void *graph) { delete (Graph *)graph; return OK; }
Result cuGraphLaunch(void *graph, void *) {
    ALONE
    catch_up();
    for (auto &work : *(Graph *)graph) work();
    return OK;
}
Result cuGetErrorString(int code, const char **text) {
    *text = code == NO_MEMORY ? "out of memory" : code == IN_CAPTURE ? "operation not permitted when stream is capturing" : "invalid argument";
    return OK;
}
}
