/* A whole pass over the examples of a network with one hidden layer, one output and no biases, in one call. Included by
 * native_real.h, once for each type.
 *
 * W0 and its state are kept panel by panel, (panels, D, PANEL), for the time of the pass. One sweep over a panel applies the
 * update of step s - 1 to some rows of it and, while they are in the first-level cache, adds what they give to the product of
 * step s: W0 comes from memory once a step. What a panel knows of the logits is summed panel by panel, so the threads meet once
 * a step, and no sum depends on how many they are. The lists of batch s + 1 are written meanwhile. */

typedef struct {
    const bank *from;        /* of stacked digits; NULL for arrays */
    const int64_t *picks;    /* (N, k), or (R, N, k) if own_X */
    const REAL *table, *X;   /* table: of a raw pixel. X: (N, D), or (R, N, D) if own_X */
    const REAL *y;           /* (N,), or (R, N) if own_y */
    const REAL *M;           /* what carries e back, (R, H); NULL for W1 */
    REAL *W0, *W0_s0, *W0_s1; /* (R, D, H) and its state; NULL for a state that is not there */
    REAL *W1, *W1_s0, *W1_s1; /* (R, H) */
    const REAL *lr;          /* (R,) */
    const REAL *corrections; /* Adam's two for each step, (steps, 2); else NULL */
    double *totals;          /* out, (R, 2): the summed loss and the number of examples that are right */
    int64_t R, N, k, D, H, batch; /* replicas, examples, digits of one, features, hidden width, examples a step */
    int64_t own_X, own_y, activation, learn, learn_W0, threads;
    REAL shift; /* of a raw pixel */
    REAL leak;  /* the slope of leaky relu left of zero */
    NAME(hyperparameters) o;
} NAME(pass);

/* Where the parts of the working memory lie, for a group of replicas that are trained side by side. */
#define STRIPS (PANEL / STRIP) /* of a panel */
typedef struct {
    int64_t group, panels, blocks, rows, block_cap, lists; /* rows of a block; lists: how many replicas have their own */
    REAL *W, *s0, *s1;                                 /* (group, panels, D, PANEL) */
    REAL *h[2];    /* (group, panels, batch, PANEL): pre-activation, then activation, then delta; of even and odd steps */
    REAL *part[2]; /* (group, panels, STRIPS, batch): what a strip of a panel adds to the logits */
    REAL *own;     /* of each thread, own_size numbers: e (group, batch), a chunk of the gradient */
    int64_t own_size;
    block_list *list[3]; /* (lists, blocks), of steps modulo 3 */
} NAME(work);

/* Lay out the working memory from `room` on (0: only to learn its size); return where it ends. */
static uintptr_t NAME(lay_out)(const NAME(pass) *p, NAME(work) *w, uintptr_t room) {
#define TAKE(bytes) take(&room, there, bytes)
    const int there = room != 0;
    const int64_t real = sizeof(REAL), states = !!p->W0_s0 + !!p->W0_s1, learns = p->learn && p->learn_W0;
    w->panels = (p->H + PANEL - 1) / PANEL;
    w->rows = p->from ? p->from->block : MIN(p->D, 96);
    w->blocks = p->from ? p->k * p->from->blocks : (p->D + w->rows - 1) / w->rows;
    const int64_t W = w->panels * p->D * PANEL * real, rows = w->panels * p->batch;
    w->group = MAX(1, MIN(p->R, SHARED_CACHE / (W * (1 + states))));
    w->W = TAKE(w->group * W);
    w->s0 = learns && p->W0_s0 ? TAKE(w->group * W) : NULL;
    w->s1 = learns && p->W0_s1 ? TAKE(w->group * W) : NULL;
    for (int i = 0; i < 2; i++) {
        w->h[i] = TAKE(w->group * rows * PANEL * real);
        w->part[i] = TAKE(w->group * rows * STRIPS * real);
    }
    w->own_size = (w->group * p->batch + 15) / 16 * 16 + CHUNK * PANEL;
    w->own = TAKE(p->threads * w->own_size * real);
    w->lists = !p->from ? 0 : p->own_X ? w->group : 1;
    w->block_cap = p->from ? p->batch * p->from->widest : 0;
    for (int i = 0; i < 3 && w->lists; i++) {
        const int64_t lists = w->lists * w->blocks;
        block_list *all = TAKE(lists * (int64_t)sizeof *all);
        w->list[i] = all;
        int32_t *by_example = TAKE(lists * (p->batch + 1) * 4);
        int32_t *by_pixel = TAKE(lists * (w->rows + 1) * 4);
        uint16_t *in_example = TAKE(lists * w->block_cap * 2);
        uint32_t *in_pixel = TAKE(lists * w->block_cap * 4);
        for (int64_t c = 0; there && c < lists; c++)
            all[c] = (block_list){by_example + c * (p->batch + 1), by_pixel + c * (w->rows + 1),
                                  in_example + c * w->block_cap, in_pixel + c * w->block_cap};
    }
#undef TAKE
    return room;
}

/* Return how many bytes of working memory a pass needs. */
EXPORT int64_t NAME(dfanp_room)(const NAME(pass) *p) {
    NAME(work) w;
    return (int64_t)NAME(lay_out)(p, &w, 0) + LINE;
}

/* The first row of block c of X, and how many it has. */
FN int64_t NAME(first_of)(const NAME(pass) *p, const NAME(work) *w, int64_t c, int64_t *rows) {
    if (!p->from) {
        *rows = MIN(w->rows, p->D - c * w->rows);
        return c * w->rows;
    }
    const int64_t place = c % p->from->blocks * w->rows;
    *rows = MIN(w->rows, p->from->pixels - place);
    return c / p->from->blocks * p->from->pixels + place;
}

/* Copy a panel of `from` (D, H) into `to` (D, PANEL), the columns beyond H zero; or back. */
FN void NAME(into_panel)(const NAME(pass) *p, int64_t P, const REAL *from, REAL *to) {
    const int64_t width = MIN(PANEL, p->H - P * PANEL);
    for (int64_t d = 0; d < p->D; d++) {
        if (width < PANEL) memset(to + d * PANEL, 0, sizeof(REAL) * PANEL);
        memcpy(to + d * PANEL, from + d * p->H + P * PANEL, sizeof(REAL) * (size_t)width);
    }
}

FN void NAME(from_panel)(const NAME(pass) *p, int64_t P, const REAL *from, REAL *to) {
    const int64_t width = MIN(PANEL, p->H - P * PANEL);
    for (int64_t d = 0; d < p->D; d++)
        memcpy(to + d * p->H + P * PANEL, from + d * PANEL, sizeof(REAL) * (size_t)width);
}

/* Turn the activations h of a panel into delta, with the output weights as they were; update those; write shift times the
 * column sums of delta. */
FN void NAME(deltas)(const NAME(pass) *p, NAME(hyperparameters) o, int64_t r, int64_t P, int64_t n, const REAL *e, REAL *h, REAL *sums) {
    const int64_t width = MIN(PANEL, p->H - P * PANEL), at = r * p->H + P * PANEL;
    REAL m[PANEL] = {0}, g[PANEL] = {0}, total[PANEL] = {0};
    memcpy(m, (p->M ? p->M : p->W1) + at, sizeof(REAL) * (size_t)width);
#define SIGNAL(F)                                                                                                      \
    for (int64_t i = 0; i < n; i++) {                                                                                  \
        REAL *to = h + i * PANEL;                                                                                      \
        const REAL error = e[i];                                                                                       \
        for (int64_t t = 0; t < PANEL; t++) {                                                                          \
            g[t] += to[t] * error;                                                                                     \
            to[t] = error * m[t] * NAME(df)(F, p->leak, to[t]);                                                        \
            total[t] += to[t];                                                                                         \
        }                                                                                                              \
    }
    if (p->activation == RELU) SIGNAL(RELU) else SIGNAL((int)p->activation)
#undef SIGNAL
    for (int64_t t = 0; t < PANEL; t++) sums[t] = p->from ? p->shift * total[t] : 0;
    NAME(update_run)(o, p->lr[r], width, g, p->W1 + at, p->W1_s0 ? p->W1_s0 + at : NULL, p->W1_s1 ? p->W1_s1 + at : NULL);
}

/* Turn the pre-activations h of a panel, but for what all pixels that are zero add (shift times the column sums of W), into
 * activations; write what each adds to its logit. */
FN void NAME(activate)(const NAME(pass) *p, int64_t r, int64_t P, int64_t n, const REAL *columns, REAL *h, REAL *part) {
    const int64_t width = MIN(PANEL, p->H - P * PANEL);
    REAL w[PANEL] = {0}, all[PANEL];
    memcpy(w, p->W1 + r * p->H + P * PANEL, sizeof(REAL) * (size_t)width);
    for (int64_t t = 0; t < PANEL; t++) all[t] = p->from ? p->shift * columns[t] : 0;
#define WEIGH(q) sum += NARROW_AT(to + t, q) * NARROW_AT(w + t, q);
#define OUTPUT(F)                                                                                                      \
    for (int64_t i = 0; i < n; i++) {                                                                                  \
        REAL *to = h + i * PANEL;                                                                                      \
        for (int64_t t = 0; t < PANEL; t++) to[t] = NAME(f)(F, p->leak, to[t] + all[t]);                               \
        for (int64_t t = 0; t < PANEL; t += STRIP) {                                                                   \
            NAME(narrow) sum = {0};                                                                                    \
            REAL z = 0;                                                                                                \
            EIGHT(WEIGH)                                                                                               \
            for (int64_t l = 0; l < NARROW; l++) z += sum[l];                                                          \
            part[t / STRIP * p->batch + i] = z;                                                                        \
        }                                                                                                              \
    }
    if (p->activation == RELU) OUTPUT(RELU) else OUTPUT((int)p->activation)
#undef OUTPUT
#undef WEIGH
}

/* One panel in one sweep: the update of step s - 1, and the product of step s. */
FN void NAME(sweep)(const NAME(pass) *p, const NAME(work) *w, NAME(hyperparameters) o, int64_t s, int64_t before, int64_t n,
                    int64_t first_replica, int64_t task, const REAL *e, REAL *g) {
    const int64_t q = task / w->panels, P = task % w->panels, r = first_replica + q, D = p->D;
    REAL *W = w->W + task * D * PANEL, *s0 = w->s0 ? w->s0 + task * D * PANEL : NULL, *s1 = w->s1 ? w->s1 + task * D * PANEL : NULL;
    REAL *delta = w->h[(s + 1) & 1] + task * p->batch * PANEL, *h = w->h[s & 1] + task * p->batch * PANEL;
    REAL sums[PANEL], columns[PANEL] = {0};
    const REAL *X = p->from ? NULL : p->X + (p->own_X ? r * p->N * D : 0);
    const int64_t mine = p->own_X ? q * w->blocks : 0, update = p->learn && before;
    if (update) NAME(deltas)(p, o, r, P, before, e + q * p->batch, delta, sums);
    memset(h, 0, sizeof(REAL) * PANEL * (size_t)n);
    for (int64_t c = 0; c < w->blocks; c++) {
        int64_t rows, first = NAME(first_of)(p, w, c, &rows);
        REAL *tile = W + first * PANEL;
        for (int64_t from = 0; update && p->learn_W0 && from < rows; from += CHUNK) {
            const int64_t here = MIN(CHUNK, rows - from), at = (first + from) * PANEL;
            if (p->from) {
                const block_list *list = w->list[(s + 2) % 3] + mine + c;
                NAME(gradient)(list->by_pixel + from, list->in_pixel, here, p->table, delta, sums, g);
            } else
                NAME(dense_gradient)(X + (s - 1) * p->batch * D + first + from, D, before, here, delta, g);
            NAME(update_run)(o, p->lr[r], here * PANEL, g, W + at, s0 ? s0 + at : NULL, s1 ? s1 + at : NULL);
        }
        if (!n) continue;
        if (p->from) {
            const block_list *list = w->list[s % 3] + mine + c;
            for (int64_t i = 0; i < rows; i++)
                for (int64_t t = 0; t < PANEL; t++) columns[t] += tile[i * PANEL + t];
            NAME(add)(list->by_example, list->in_example, n, p->table, tile, h);
        } else
            NAME(dense_add)(X + s * p->batch * D + first, D, n, rows, tile, h);
    }
    if (n) NAME(activate)(p, r, P, n, columns, h, w->part[s & 1] + task * STRIPS * p->batch);
}

/* The errors e of n examples of replica q of a group, from the panels' parts of their logits; and, where totals is not NULL,
 * their losses. */
FN void NAME(errors)(const NAME(pass) *p, const NAME(work) *w, int64_t s, int64_t n, int64_t r, int64_t q, REAL *e,
                     double *totals) {
    const REAL *part = w->part[s & 1] + q * w->panels * STRIPS * p->batch, *y = p->y + (p->own_y ? r * p->N : 0) + s * p->batch;
    for (int64_t i = 0; i < n; i++) {
        REAL z = 0;
        for (int64_t t = 0; t < w->panels * STRIPS; t++) z += part[t * p->batch + i];
        const REAL small = EXP(z >= 0 ? -z : z);
        e[i] = ((z >= 0 ? 1 / (1 + small) : small / (1 + small)) - y[i]) / n;
        if (totals) {
            totals[0] += (z > 0 ? z : 0) - z * y[i] + LOG1P(small);
            totals[1] += (z > 0) == (y[i] > (REAL)0.5);
        }
    }
}

/* Train for (or with learn = 0: test on) N examples, `batch` at a time, in `room`, of the size that dfanp_room returns. */
EXPORT void NAME(dfanp_pass)(const NAME(pass) *p, char *room) {
    const int64_t steps = (p->N + p->batch - 1) / p->batch;
    NAME(work) w;
    const uintptr_t begin = ((uintptr_t)room + LINE - 1) / LINE * LINE, end = NAME(lay_out)(p, &w, begin);
    memset(p->totals, 0, sizeof(double) * 2 * (size_t)p->R);
    for (int64_t first = 0; first < p->R; first += w.group) {
        const int64_t group = MIN(w.group, p->R - first), panels = group * w.panels, D = p->D;
        const int64_t lists = (p->own_X ? group : 1) * w.blocks * !!p->from, own = p->own_X ? first : 0;
#pragma omp parallel if (p->batch * D * p->H * group > 65536) TEAM(p->threads)
        {
            REAL *e = w.own + omp_get_thread_num() * w.own_size, *g = e + (w.group * p->batch + 15) / 16 * 16;
#pragma omp for schedule(static) nowait
            for (int64_t task = 0; task < panels; task++) {
                const int64_t P = task % w.panels, from = (first + task / w.panels) * D * p->H, to = task * D * PANEL;
                NAME(into_panel)(p, P, p->W0 + from, w.W + to);
                if (w.s0) NAME(into_panel)(p, P, p->W0_s0 + from, w.s0 + to);
                if (w.s1) NAME(into_panel)(p, P, p->W0_s1 + from, w.s1 + to);
            }
#pragma omp for schedule(static)
            for (int64_t c = 0; c < lists; c++)
                list_block(p->from, p->picks + (own + c / w.blocks) * p->N * p->k, MIN(p->batch, p->N), p->k, c % w.blocks,
                           w.list[0] + c);
            for (int64_t s = 0; s <= steps; s++) {
                const int64_t before = s ? MIN(p->batch, p->N - (s - 1) * p->batch) : 0;
                const int64_t n = s < steps ? MIN(p->batch, p->N - s * p->batch) : 0;
                NAME(hyperparameters) o = p->o;
                if (s && p->corrections) {
                    o.correction1 = p->corrections[2 * s - 2];
                    o.correction2 = p->corrections[2 * s - 1];
                }
                for (int64_t q = 0; s && q < group; q++)
                    NAME(errors)(p, &w, s - 1, before, first + q, q, e + q * p->batch,
                                 omp_get_thread_num() ? NULL : p->totals + 2 * (first + q));
#pragma omp for schedule(dynamic) nowait
                for (int64_t task = 0; task < panels; task++)
                    NAME(sweep)(p, &w, o, s, before, n, first, task, e, g);
                if (s + 1 < steps) {
                    const int64_t after = MIN(p->batch, p->N - (s + 1) * p->batch);
#pragma omp for schedule(dynamic) nowait
                    for (int64_t c = 0; c < lists; c++)
                        list_block(p->from, p->picks + ((own + c / w.blocks) * p->N + (s + 1) * p->batch) * p->k, after,
                                   p->k, c % w.blocks, w.list[(s + 1) % 3] + c);
                }
#pragma omp barrier
            }
#pragma omp for schedule(static)
            for (int64_t task = 0; task < panels; task++) {
                const int64_t P = task % w.panels, to = (first + task / w.panels) * D * p->H, from = task * D * PANEL;
                if (p->learn && p->learn_W0) NAME(from_panel)(p, P, w.W + from, p->W0 + to);
                if (w.s0) NAME(from_panel)(p, P, w.s0 + from, p->W0_s0 + to);
                if (w.s1) NAME(from_panel)(p, P, w.s1 + from, p->W0_s1 + to);
            }
        }
    }
    UNPOISON(begin, end);
}

#undef STRIPS
