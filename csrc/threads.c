/* threads.c: the thread pool, how many threads to use, and letting go of the interpreter lock.
 * One job at a time: whoever finds the pool busy works alone. Workers start when first needed, spin
 * for a moment after a job and then sleep; a caller never waits for a worker that came too late.
 * Nothing is freed or joined at exit: the workers are detached and hold nothing. */
#define _GNU_SOURCE
#include "core.h"
#include "pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { MAX_THREADS = 64, SPINS = 2000 };    /* some 20 us of pauses */
static const double WAKE_NS = 80000;  /* work that pays for waking sleeping workers ... */
static const double AWAKE_NS = 10000; /* ... and for handing it to spinning ones */
static const double UNLOCK_NS = 20000;

/* What is not atomic is guarded by lock. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t wake, left;
    int n_workers, n_asleep;
    bool is_open;           /* workers may join the job */
    int room;               /* how many more may */
    atomic_int n_inside;    /* workers in the job */
    atomic_bool busy;       /* a caller has the pool */
    atomic_uint n_jobs;     /* so far: what idle workers watch */
    atomic_int n_spinning;
    atomic_size_t next;     /* index of the job */
    size_t n;
    void (*fn)(void *ctx, size_t i);
    void *ctx;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER,
          .wake = PTHREAD_COND_INITIALIZER,
          .left = PTHREAD_COND_INITIALIZER};

static atomic_int n_threads; /* 0: not asked yet */
static pthread_once_t fork_once = PTHREAD_ONCE_INIT;

static void relax(void)
{
#if defined __x86_64__
    __builtin_ia32_pause();
#elif defined __aarch64__
    __asm__ volatile("yield");
#endif
}

/* --- workers --------------------------------------------------------------------------------- */

static void take_indices(void (*fn)(void *ctx, size_t i), void *ctx, size_t n)
{
    for (;;) {
        const size_t i = atomic_fetch_add_explicit(&pool.next, 1, memory_order_relaxed);
        if (i >= n)
            return;
        fn(ctx, i);
    }
}

/* Returns with the lock held and a job after `seen` published. */
static void await_job(unsigned seen)
{
    atomic_fetch_add(&pool.n_spinning, 1);
    for (int i = 0;
         i < SPINS && atomic_load_explicit(&pool.n_jobs, memory_order_relaxed) == seen; ++i)
        relax();
    atomic_fetch_sub(&pool.n_spinning, 1);
    pthread_mutex_lock(&pool.lock);
    while (atomic_load(&pool.n_jobs) == seen) {
        ++pool.n_asleep;
        pthread_cond_wait(&pool.wake, &pool.lock);
        --pool.n_asleep;
    }
}

static void *work(void *unused)
{
    (void)unused;
    unsigned seen = 0;
    for (;;) {
        await_job(seen);
        seen = atomic_load(&pool.n_jobs);
        if (pool.is_open && pool.room > 0) {
            --pool.room;
            atomic_fetch_add(&pool.n_inside, 1);
            void (*const fn)(void *ctx, size_t i) = pool.fn;
            void *const ctx = pool.ctx;
            const size_t n = pool.n;
            pthread_mutex_unlock(&pool.lock);
            take_indices(fn, ctx, n);
            pthread_mutex_lock(&pool.lock);
            if (atomic_fetch_sub(&pool.n_inside, 1) == 1 && !pool.is_open)
                pthread_cond_signal(&pool.left);
        }
        pthread_mutex_unlock(&pool.lock);
    }
    return NULL;
}

/* --- fork: the child has no workers, and nobody holds its lock -------------------------------- */

static void before_fork(void) { pthread_mutex_lock(&pool.lock); }

static void after_fork_in_parent(void) { pthread_mutex_unlock(&pool.lock); }

static void after_fork_in_child(void)
{
    pthread_mutex_init(&pool.lock, NULL);
    pthread_cond_init(&pool.wake, NULL);
    pthread_cond_init(&pool.left, NULL);
    pool.n_workers = pool.n_asleep = 0;
    pool.is_open = false;
    atomic_store(&pool.n_inside, 0);
    atomic_store(&pool.n_spinning, 0);
    atomic_store(&pool.busy, false);
}

static void watch_forks(void)
{
    pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child);
}

/* --- callers --------------------------------------------------------------------------------- */

/* With the lock held. Workers take no signals: those are the application's threads' business. Fewer
 * than wanted is fine. */
static void start_workers(int wanted)
{
    if (pool.n_workers >= wanted)
        return;
    sigset_t all, before;
    pthread_attr_t detached;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    while (pool.n_workers < wanted) {
        pthread_t worker;
        if (pthread_create(&worker, &detached, work, NULL) != 0)
            break;
        ++pool.n_workers;
    }
    pthread_attr_destroy(&detached);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void open_job(size_t n, void (*fn)(void *ctx, size_t i), void *ctx, int helpers)
{
    pthread_mutex_lock(&pool.lock);
    pool.fn = fn;
    pool.ctx = ctx;
    pool.n = n;
    pool.room = helpers;
    pool.is_open = true;
    atomic_store_explicit(&pool.next, 0, memory_order_relaxed);
    atomic_fetch_add(&pool.n_jobs, 1);
    start_workers(helpers);
    const int to_wake = helpers - atomic_load(&pool.n_spinning);
    const int n_asleep = pool.n_asleep;
    pthread_mutex_unlock(&pool.lock);
    for (int i = 0; i < to_wake && i < n_asleep; ++i)
        pthread_cond_signal(&pool.wake);
}

static void close_job(void)
{
    pthread_mutex_lock(&pool.lock);
    pool.is_open = false;
    if (atomic_load(
            &pool.n_inside)) { /* each is in its last piece: sleep only if that is long */
        pthread_mutex_unlock(&pool.lock);
        for (int i = 0; i < SPINS && atomic_load(&pool.n_inside); ++i)
            relax();
        pthread_mutex_lock(&pool.lock);
        while (atomic_load(&pool.n_inside))
            pthread_cond_wait(&pool.left, &pool.lock);
    }
    pthread_mutex_unlock(&pool.lock);
}

int tg_threads_for(double cost_ns)
{
    if (cost_ns < AWAKE_NS)
        return 1;
    const int most = tg_get_num_threads();
    if (most == 1 || (cost_ns < WAKE_NS && atomic_load(&pool.n_spinning) == 0) ||
        atomic_load(&pool.busy))
        return 1;
    const double paying = cost_ns / (AWAKE_NS / 2);
    return paying < most ? (int)paying : most;
}

void tg_parallel(size_t n, double cost_ns, void (*fn)(void *ctx, size_t i), void *ctx)
{
    const int n_wanted = n < 2 ? 1 : tg_threads_for(cost_ns);
    if (n_wanted == 1 || atomic_exchange(&pool.busy, true)) {
        for (size_t i = 0; i < n; ++i)
            fn(ctx, i);
        return;
    }
    pthread_once(&fork_once, watch_forks);
    open_job(n, fn, ctx, (n < (size_t)n_wanted ? (int)n : n_wanted) - 1);
    take_indices(fn, ctx, n);
    close_job();
    atomic_store(&pool.busy, false);
}

/* --- how many --------------------------------------------------------------------------------- */

/* The CPUs this control group may use, rounded up, from files of "quota period" or of each
 * apart; 0: no limit, or not to be found out. */
static int quota_of(const char *quota_path, const char *period_path)
{
    char text[64] = "";
    double quota = 0, period = 0;
    FILE *f = fopen(quota_path, "re");
    if (!f)
        return 0;
    const bool is_read = fgets(text, sizeof text, f) != NULL;
    fclose(f);
    char *end = text;
    quota = is_read ? strtod(text, &end) : 0; /* "max" gives 0 */
    if (!period_path) {
        period = strtod(end, NULL);
    } else if ((f = fopen(period_path, "re")) != NULL) {
        period = fgets(text, sizeof text, f) ? strtod(text, NULL) : 0;
        fclose(f);
    }
    return quota > 0 && period > 0 ? (int)((quota + period - 1) / period) : 0;
}

/* The tightest limit of this process's control group and those around it. `controller` is how
 * /proc/self/cgroup names the hierarchy: "" in version 2. */
static int group_limit(const char *controller, const char *root, bool is_v2)
{
    char line[512], path[1024], period[1024];
    FILE *f = fopen("/proc/self/cgroup", "re");
    int limit = 0;
    if (!f)
        return 0;
    while (fgets(line, sizeof line, f)) {
        char *name = strchr(line, ':');
        char *group = name ? strchr(name + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        const char *found = strstr(name + 1, controller);
        if (is_v2 ? name[1] != '\0' : !found)
            continue;
        for (group[strcspn(group, "\n")] = '\0';;) {
            snprintf(path, sizeof path, is_v2 ? "%s%s/cpu.max" : "%s%s/cpu.cfs_quota_us", root,
                     group);
            snprintf(period, sizeof period, "%s%s/cpu.cfs_period_us", root, group);
            const int here = quota_of(path, is_v2 ? NULL : period);
            if (here && (!limit || here < limit))
                limit = here;
            char *slash = strrchr(group, '/');
            if (!slash)
                break;
            *slash = '\0';
        }
    }
    fclose(f);
    return limit;
}

static int usable_cpus(void)
{
    int n = (int)sysconf(_SC_NPROCESSORS_ONLN);
#ifdef __linux__
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        n = CPU_COUNT(&set);
    const int v2 = group_limit("", "/sys/fs/cgroup", true);
    const int v1 = group_limit("cpu", "/sys/fs/cgroup/cpu", false);
    n = v2 && v2 < n ? v2 : n;
    n = v1 && v1 < n ? v1 : n;
#endif
    return n < 1 ? 1 : n;
}

int tg_get_num_threads(void)
{
    int n = atomic_load_explicit(&n_threads, memory_order_relaxed);
    if (n == 0) {
        const char *wish = getenv("TAPEGRAD_NUM_THREADS"); /* Python has checked it */
        n = wish ? atoi(wish) : usable_cpus();
        n = n < 1 ? 1 : n > MAX_THREADS ? MAX_THREADS : n;
        atomic_store_explicit(&n_threads, n, memory_order_relaxed);
    }
    return n;
}

int tg_set_num_threads(int n)
{
    if (n < 1)
        return tg_fail(TG_EVALUE, "the number of threads must be at least 1, not %d", n);
    atomic_store_explicit(&n_threads, n < MAX_THREADS ? n : MAX_THREADS, memory_order_relaxed);
    return TG_OK;
}

/* --- the interpreter lock --------------------------------------------------------------------- */

static void *(*release_lock)(void);
static void (*acquire_lock)(void *state);

void tg_set_lock_hooks(void *(*release)(void), void (*acquire)(void *state))
{
    release_lock = release;
    acquire_lock = acquire;
}

void *tg_unlock(double cost_ns)
{
    /* a program lets go of the lock for all its steps at once */
    return cost_ns >= UNLOCK_NS && release_lock && !tg_placing ? release_lock() : NULL;
}

void tg_relock(void *state)
{
    if (state)
        acquire_lock(state);
}
