/* tapegrad.h: the whole C API, read by the compiler and by cffi's cdef.
 * Every function returns TG_OK or a negative TG_E... code unless it says otherwise. */

enum {
    TG_F32,
    TG_F64,
    TG_BOOL,
    TG_I8,
    TG_I16,
    TG_I32,
    TG_I64,
    TG_U8,
    TG_U16,
    TG_U32,
    TG_U64,
    TG_F16,
    TG_C64,
    TG_C128,
    TG_LONGDOUBLE,
    TG_CLONGDOUBLE,
    TG_N_DTYPES
};

enum {
    TG_OK = 0,
    TG_EMEMORY = -1,
    TG_ESHAPE = -2,
    TG_EDTYPE = -3,
    TG_EVALUE = -4,
    TG_ENOKERNEL = -5,
    TG_ERELEASED = -6,
    TG_EVERSION = -7,
    TG_ESTALE = -8,
    TG_ETAPE = -9,
    TG_EINDEX = -10,
    TG_EPYTHON = -11,
    TG_EGUARD = -12, /* a program's guard: what it was recorded for is not so */
    TG_EOUTSIDE = -13 /* what no replay of the step that is being recorded could repeat */
};

/* --- instruction sets and ops (dispatch.c) ---------------------------------------------------
 * isa_count, isa_available: what this CPU can run, best first; the best is chosen at load.
 * isa_select: TG_EVALUE for a name that is unknown or that this CPU cannot run. Op ids are
 * 0 .. op_count() - 1 and mean nothing beyond this process. */
int tg_isa_count(void);
const char *tg_isa_available(int index);
const char *tg_isa_name(void);
int tg_isa_select(const char *name);
int tg_op_count(void);
const char *tg_op_name(int op);

/* Tensors and the pool */
const char *tg_error_text(void);               /* of this thread's last failure */
int tg_assign(uint64_t parameter, uint64_t value); /* writes in place, bumps the version */
int tg_touch(uint64_t parameter); /* bumps the version */
uint64_t tg_pool_live_bytes(void); /* handed out */
uint64_t tg_pool_peak_bytes(void); /* most that were, since it was last asked */
uint64_t tg_pool_system_calls(void); /* requests that reached the system's allocator */

/* What Python's op table tells: its own ops' names, and what each rule reads. */
int tg_op_register(const char *name); /* the new op's id, or negative */
int tg_op_residuals(int op, int input, int mask);
void tg_templates_clear(void);
int tg_python_init(void); /* puts the Python types into tapegrad._core */

/* --- optimizers (optim.c) --------------------------------------------------------------------
 * One update of each of n parameters (handles) that has a .grad; the others are left alone.
 * states[k * n + i] is state array k of parameter i: sgd: velocity, read if momentum != 0; adam:
 * running means of the gradient and of its square and, if amsgrad, the largest of the second.
 * steps[i] counts the parameter's updates. hyper: sgd: lr, momentum, dampening, weight_decay,
 * nesterov, maximize; adam: lr, beta1, beta2, eps, weight_decay, is_decoupled, amsgrad, maximize.
 * An error leaves everything as it was. TG_ENOKERNEL: a parameter is no float32 or float64. */
int tg_sgd_step(int64_t n, const uint64_t *params, const uint64_t *states, int64_t *steps,
                const double *hyper);
int tg_adam_step(int64_t n, const uint64_t *params, const uint64_t *states, int64_t *steps,
                 const double *hyper);

/* --- random numbers (random.c) ---------------------------------------------------------------
 * n numbers of the Philox 4x32-10 stream (seed, counter) into memory of the caller. float32 and
 * bernoulli use one 32-bit word a number, the others two; the caller moves its counter on by the
 * 128-bit blocks used. uniform: low + width * [0, 1); dtype: TG_F32, TG_F64, else TG_ENOKERNEL.
 * bernoulli: 1 with probability p. integers: in [low, low + range). philox: one block. */
void tg_philox(uint32_t words[4], uint64_t seed, const uint32_t counter[4]);
int tg_random_uniform(int dtype, void *out, int64_t n, double low, double width, uint64_t seed,
                      uint64_t counter);
int tg_random_normal(int dtype, void *out, int64_t n, double mean, double std, uint64_t seed,
                     uint64_t counter);
int tg_random_bernoulli(uint8_t *out, int64_t n, double p, uint64_t seed, uint64_t counter);
int tg_random_integers(int64_t *out, int64_t n, int64_t low, uint64_t range, uint64_t seed,
                       uint64_t counter);
int tg_random_permutation(int64_t *out, int64_t n, uint64_t seed, uint64_t counter);

/* --- threads (threads.c) ---------------------------------------------------------------------
 * Unless set: TAPEGRAD_NUM_THREADS, else the CPUs that affinity and control group allow. The hooks
 * let go of the interpreter lock around long kernels; release's result goes to acquire. */
int tg_get_num_threads(void); /* the number itself */
int tg_set_num_threads(int n);
void tg_set_lock_hooks(void *(*release)(void), void (*acquire)(void *state));

/* --- matrix products on plain memory (gemm.c) ------------------------------------------------
 * C = act(alpha * (A @ B) + beta * addend + bias). A is m x k, B is k x n, C is m x n. Strides are
 * in elements, any sign; A, B and bias may have 0 strides. addend has C's strides; NULL: C itself,
 * not read when beta is 0. C must not overlap the others, but be the addend. Operations after the
 * product round one by one: alpha * sum, beta * addend, their sum, + bias. Element (i, j) of bias
 * is bias[i * bias_row + j * bias_col]; NULL: none. act is a map kernel, NULL: none; of its n_act
 * operands, at most TG_ACT_INPUTS, the k-th is the elements before act where act_in[k] is NULL; or
 * memory with C's strides, or with act_step[k] = 0 one value that fills 64 bytes. act_step is 1
 * else. act wants C's rows or columns contiguous. It may read what C held (act_in[k] = C) after a
 * product of one block of k without more to it, min(m, n) > 1 and C's rows contiguous.
 * folded[j] = the fold (a TG_FOLD_) of column j of the finished C, in the order of reduce.h; NULL:
 * none. It wants C's rows contiguous and fold_room, tg_gemm_fold_bytes of 64-byte aligned memory.
 * TG_F32 or TG_F64. The bits do not depend on strides, instruction set or number of threads;
 * gemm_ref, the plain loops that define them, does neither act nor fold. */
enum { TG_ACT_INPUTS = 5 };
typedef struct tg_gemm_args {
    size_t m, n, k;
    const void *a;
    ptrdiff_t a_row, a_col;
    const void *b;
    ptrdiff_t b_row, b_col;
    void *c;
    ptrdiff_t c_row, c_col;
    double alpha, beta;
    const void *addend;
    const void *bias;
    ptrdiff_t bias_row, bias_col;
    void (*act)(void *out, const void *const *in, const size_t *step, const double *p,
                size_t n);
    const double *act_params;
    const void *const *act_in;
    const size_t *act_step;
    int n_act, fold;
    void *folded, *fold_room;
} tg_gemm_args;
int tg_gemm(int dtype, const tg_gemm_args *g);
size_t tg_gemm_fold_bytes(int dtype, const tg_gemm_args *g);
void tg_gemm_ref(int dtype, const tg_gemm_args *g);
