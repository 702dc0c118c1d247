/* A whole pass over the examples of a multilayer perceptron, in one call. Included by native_real.h, once for each type.
 *
 * Layers count from 0; the last one leads to the outputs, those below it to hidden units. The weights of a hidden layer and their
 * state are kept panel by panel of its columns, (panels, in, PANEL), for the time of the pass. One sweep over a panel applies the
 * update of step s - 1 to some rows of it and, while they are in the first-level cache, adds what they give to the product of
 * step s: weights come from memory once a step, and a gradient never exists whole. The output layer is cut by its rows instead:
 * those of a panel of the last hidden layer belong to it, and what a panel knows of the logits is summed panel by panel.
 *
 * So the threads meet once a step for each hidden layer; and where the signal comes from the layer above, once more for each that
 * is not the first. No sum depends on how many threads they are. The lists of batch s + 1 are written meanwhile. */

typedef struct {
    REAL *W, *W_s0, *W_s1; /* (R, in, out) and its state; NULL for a state that is not there */
    REAL *b, *b_s0, *b_s1; /* (R, out); NULL without biases */
    const REAL *B;         /* what carries the signal to this layer's outputs, (K, out), or (R, K, out) if own_B; NULL for the weights above */
    const REAL *lr_W, *lr_b; /* learning rates of the weights and of the biases, (R,) */
    int64_t in, out, own_B, learn_W, learn_b;
} NAME(layer);

typedef struct {
    const bank *from;           /* of stacked digits; NULL for arrays */
    const int64_t *picks;       /* (N, k), or (R, N, k) if own_X */
    const REAL *table, *X;      /* table: of a raw pixel. X: (N, in), or (R, N, in) if own_X */
    const REAL *y;              /* (N, outputs), or (R, N, outputs) if own_y */
    REAL *constants;            /* of each column of X the value that most of its examples have, (in,), or (R, in) if own_X; or NULL */
    int64_t *sparse;            /* whether X has little beside them, for each X; NULL if none is */
    const NAME(layer) * layers; /* (depth) */
    const REAL *corrections;    /* Adam's two for each step, (steps, 2); else NULL */
    double *totals;             /* out, (R, 2): the summed loss and the number of examples that are right */
    int64_t R, N, k, depth, batch; /* replicas, examples, digits of one, layers, examples a step */
    int64_t own_X, own_y, activation, loss;
    int64_t learn, first, direct, threads; /* first: the lowest layer that is trained. direct: signals come from e, not from the layer above */
    REAL shift; /* of a raw pixel */
    REAL leak;  /* the slope of leaky relu left of zero */
    NAME(hyperparameters) o;
} NAME(pass);

/* Where a hidden layer lies in the working memory, for a group of replicas that are trained side by side. */
typedef struct {
    int64_t panels, blocks, rows; /* blocks of rows of W, and how many rows a block has */
    REAL *W, *s0, *s1;            /* (group, panels, in, PANEL) */
    REAL *B;                      /* (group, or 1 unless own_B, panels, K, PANEL) */
    REAL *h[2];                   /* (group, panels, batch, PANEL): pre-activations, then activations, of even and odd steps */
    REAL *delta;                  /* likewise; NULL where each thread keeps that of its panel to itself */
} NAME(hidden);

/* The working memory. */
typedef struct {
    int64_t group, lists, block_cap; /* lists: how many replicas have their own; block_cap: the most numbers of a block's list */
    int64_t columns, strips;         /* of the outputs, filled up to whole vectors (a single one is not); of the last hidden layer */
    NAME(hidden) * layer;
    REAL *W, *s0, *s1;   /* of the output layer, (group, strips * STRIP, columns) */
    REAL *part[2];       /* (group, strips, batch, columns): what a strip adds to the logits, of even and odd steps */
    REAL *e, *loss;      /* (group, batch, columns), (group, batch): where the threads share the work of the outputs */
    double *right;       /* likewise */
    REAL *own;           /* of each thread, own_size numbers */
    int64_t own_size;
    block_list *list[3]; /* (lists, blocks of the first layer), of steps modulo 3 */
} NAME(work);

/* The part of a thread. */
typedef struct {
    REAL *e;     /* (group, batch, columns) */
    REAL *delta; /* (batch, PANEL) */
    REAL *g;     /* rows of a gradient */
    REAL *turned; /* a block of weights, transposed */
} NAME(own);

#define STRIPS (PANEL / STRIP) /* of a panel */
#define CHUNK_SIZE MAX(CHUNK * PANEL, PANEL * w->columns)
#define TURNED_SIZE (PANEL * MAX(PANEL, w->columns))
#define UP(size) (((size) + 15) / 16 * 16)

/* How many numbers the signal of hidden layer l is made of. */
FN int64_t NAME(signals)(const NAME(pass) *p, int64_t l) {
    return p->layers[p->direct ? p->depth - 1 : l + 1].out;
}

/* Lay out the working memory from `room` on (0: only to learn its size); return where it ends. */
static uintptr_t NAME(lay_out)(const NAME(pass) *p, NAME(work) *w, uintptr_t room) {
#define TAKE(bytes) take(&room, there, bytes)
    const int there = room != 0;
    const int64_t real = sizeof(REAL), hidden = p->depth - 1, outputs = p->layers[hidden].out;
    int64_t all = 0;
    for (int64_t l = 0; l < hidden; l++) {
        const NAME(layer) *of = p->layers + l;
        all += (of->out + PANEL - 1) / PANEL * PANEL * of->in * real * (1 + !!of->W_s0 + !!of->W_s1);
    }
    w->group = MAX(1, MIN(p->R, SHARED_CACHE / all));
    w->columns = outputs == 1 ? 1 : (outputs + LANES - 1) / LANES * LANES;
    w->layer = TAKE(hidden * (int64_t)sizeof *w->layer);
    NAME(hidden) counted;
    for (int64_t l = 0; l < hidden; l++) {
        const NAME(layer) *of = p->layers + l;
        NAME(hidden) *to = there ? w->layer + l : &counted;
        to->panels = (of->out + PANEL - 1) / PANEL;
        to->rows = l ? MIN(DENSE_ROWS, PANEL) : p->from ? p->from->block : DENSE_ROWS;
        to->blocks = !l && p->from ? p->k * p->from->blocks : (of->in + to->rows - 1) / to->rows;
        const int64_t panels = w->group * to->panels, W = panels * of->in * PANEL * real;
        to->W = TAKE(W);
        to->s0 = of->learn_W && of->W_s0 ? TAKE(W) : NULL;
        to->s1 = of->learn_W && of->W_s1 ? TAKE(W) : NULL;
        to->B = of->B ? TAKE((of->own_B ? w->group : 1) * to->panels * NAME(signals)(p, l) * PANEL * real) : NULL;
        for (int i = 0; i < 2; i++) to->h[i] = TAKE(panels * p->batch * PANEL * real);
        to->delta = p->learn && l && l >= p->first && !p->direct ? TAKE(panels * p->batch * PANEL * real) : NULL;
        w->strips = to->panels * STRIPS;
    }
    const NAME(layer) *of = p->layers + hidden;
    const int64_t W = w->group * w->strips * STRIP * w->columns * real, logits = w->group * p->batch * w->columns;
    w->W = TAKE(W);
    w->s0 = of->learn_W && of->W_s0 ? TAKE(W) : NULL;
    w->s1 = of->learn_W && of->W_s1 ? TAKE(W) : NULL;
    for (int i = 0; i < 2; i++) w->part[i] = TAKE(w->strips * logits * real);
    w->loss = TAKE(w->group * p->batch * real);
    w->right = TAKE(w->group * p->batch * (int64_t)sizeof *w->right);
    w->e = logits > SHARED_OUTPUTS ? TAKE(logits * real) : NULL;
    w->own_size = UP(w->e ? 0 : logits) + UP(p->batch * PANEL) + UP(CHUNK_SIZE) + UP(TURNED_SIZE);
    w->own = TAKE(p->threads * w->own_size * real);
    w->lists = !p->from && !p->sparse ? 0 : p->own_X ? w->group : 1;
    const int64_t rows = p->from ? p->from->block : DENSE_ROWS, cap = p->batch * (p->from ? p->from->widest : rows) + 1;
    w->block_cap = cap;
    for (int i = 0; i < 3 && w->lists; i++) {
        const int64_t lists = w->lists * (p->from ? p->k * p->from->blocks : (p->layers[0].in + rows - 1) / rows);
        block_list *each = TAKE(lists * (int64_t)sizeof *each);
        w->list[i] = each;
        int32_t *by_example = TAKE(lists * (p->batch + 1) * 4);
        int32_t *by_pixel = TAKE(lists * (rows + 1) * 4);
        uint16_t *in_example = TAKE(lists * cap * 2);
        uint32_t *in_pixel = TAKE(lists * cap * 4);
        REAL *of_example = p->from ? NULL : TAKE(lists * cap * real), *of_pixel = p->from ? NULL : TAKE(lists * cap * real);
        for (int64_t c = 0; there && c < lists; c++)
            each[c] = (block_list){by_example + c * (p->batch + 1), by_pixel + c * (rows + 1), in_example + c * cap, in_pixel + c * cap,
                                   p->from ? NULL : of_example + c * cap, p->from ? NULL : of_pixel + c * cap};
    }
#undef TAKE
    return room;
}

/* Find the constants of the columns of X, and whether X has little beside them, by some of its examples; return whether one has. */
EXPORT int64_t NAME(dfanp_constants)(const NAME(pass) *p) {
    const int64_t D = p->layers[0].in, some = MIN(p->N, SAMPLE), apart = p->N / some;
    int64_t any = 0;
    for (int64_t r = 0; r < (p->own_X ? p->R : 1); r++) {
        const REAL *X = p->X + r * p->N * D;
        REAL *constants = p->constants + r * D;
        int64_t found = 0;
        for (int64_t d = 0; d < D; d++) { /* Boyer and Moore: what more than half of them are comes out on top */
            REAL c = 0;
            int64_t votes = 0, same = 0;
            for (int64_t i = 0; i < some; i++) {
                const REAL x = X[i * apart * D + d];
                if (votes == 0) c = x;
                votes += x == c ? 1 : -1;
            }
            for (int64_t i = 0; i < some; i++) same += X[i * apart * D + d] == c;
            const int most = 2 * same > some && c - c == 0;
            constants[d] = most ? c : 0;
            found += most ? same : 0;
        }
        p->sparse[r] = found * 3 > some * D * 2;
        any |= p->sparse[r];
    }
    return any;
}

/* Return how many bytes of working memory a pass needs. */
EXPORT int64_t NAME(dfanp_room)(const NAME(pass) *p) {
    NAME(work) w;
    return (int64_t)NAME(lay_out)(p, &w, 0) + LINE;
}

/* The first row of block c of the weights of layer l, and how many it has. */
FN int64_t NAME(first_of)(const NAME(pass) *p, const NAME(hidden) *of, int64_t l, int64_t c, int64_t *rows) {
    if (l || !p->from) {
        *rows = MIN(of->rows, p->layers[l].in - c * of->rows);
        return c * of->rows;
    }
    const int64_t place = c % p->from->blocks * of->rows;
    *rows = MIN(of->rows, p->from->pixels - place);
    return c / p->from->blocks * p->from->pixels + place;
}

/* Copy panel P of `from` (rows, H) into `to` (rows, PANEL), the columns beyond H zero; or back. */
FN void NAME(into_panel)(int64_t rows, int64_t H, int64_t P, const REAL *from, REAL *to) {
    const int64_t width = MIN(PANEL, H - P * PANEL);
    for (int64_t d = 0; d < rows; d++) {
        if (width < PANEL) memset(to + d * PANEL, 0, sizeof(REAL) * PANEL);
        memcpy(to + d * PANEL, from + d * H + P * PANEL, sizeof(REAL) * (size_t)width);
    }
}

FN void NAME(from_panel)(int64_t rows, int64_t H, int64_t P, const REAL *from, REAL *to) {
    const int64_t width = MIN(PANEL, H - P * PANEL);
    for (int64_t d = 0; d < rows; d++)
        memcpy(to + d * H + P * PANEL, from + d * PANEL, sizeof(REAL) * (size_t)width);
}

/* Copy rows of the output weights and back: `out` numbers a row there, `columns` here; those beyond are zero, and so are the rows
 * beyond `units` of STRIP * strips. */
static void NAME(into_rows)(const NAME(work) *w, int64_t units, int64_t out, const REAL *from, REAL *to) {
    memset(to, 0, sizeof(REAL) * (size_t)(w->strips * STRIP * w->columns));
    for (int64_t d = 0; d < units; d++) memcpy(to + d * w->columns, from + d * out, sizeof(REAL) * (size_t)out);
}

static void NAME(from_rows)(const NAME(work) *w, int64_t units, int64_t out, const REAL *from, REAL *to) {
    for (int64_t d = 0; d < units; d++) memcpy(to + d * out, from + d * w->columns, sizeof(REAL) * (size_t)out);
}

/* to (columns, PANEL) = the transpose of `from` (rows, columns), whose rows are `row` apart; what is beyond `rows` is zero. */
ONCE void NAME(turn)(int64_t rows, int64_t columns, const REAL *from, int64_t row, REAL *to) {
    if (rows < PANEL) memset(to, 0, sizeof(REAL) * (size_t)(columns * PANEL));
    for (int64_t r = 0; r < rows; r += 8)
        for (int64_t c = 0; c < columns; c++)
            for (int64_t i = r; i < MIN(r + 8, rows); i++) to[c * PANEL + i] = from[i * row + c];
}

/* Do LOOP(F) for the activation F of the pass: a constant, so that the loop becomes vector instructions. */
#define BY_ACTIVATION(LOOP)                                                                                            \
    switch (p->activation) {                                                                                           \
    case RELU: LOOP(RELU) break;                                                                                       \
    case LEAKY_RELU: LOOP(LEAKY_RELU) break;                                                                           \
    case TANH: LOOP(TANH) break;                                                                                       \
    case SIGMOID: LOOP(SIGMOID) break;                                                                                 \
    default: LOOP(IDENTITY)                                                                                            \
    }

/* The signal of panel P of hidden layer l, times f'; `total` gets its column sums. */
FN void NAME(deltas)(const NAME(pass) *p, const NAME(work) *w, int64_t l, int64_t q, int64_t P, int64_t n, const REAL *e,
                     const REAL *h, REAL *to, REAL *total, REAL *turned) {
    const NAME(hidden) *of = w->layer + l;
    const NAME(layer) *above = p->layers + l + 1;
    const int64_t K = NAME(signals)(p, l), width = MIN(PANEL, p->layers[l].out - P * PANEL);
    const REAL *B = of->B ? of->B + ((p->layers[l].own_B ? q : 0) * of->panels + P) * K * PANEL : NULL;
    e += q * p->batch * w->columns;
    if (p->direct || l == p->depth - 2) {
        const REAL *W = w->W + (q * of->panels + P) * PANEL * w->columns;
        if (K == 1) {
            const REAL *m = B ? B : W;
#define PRODUCTS(F)                                                                                                    \
    for (int64_t i = 0; i < n; i++)                                                                                    \
        for (int64_t t = 0; t < PANEL; t++) {                                                                          \
            to[i * PANEL + t] = e[i] * m[t] * NAME(df)(F, p->leak, h[i * PANEL + t]);                                  \
            total[t] += to[i * PANEL + t];                                                                             \
        }
            BY_ACTIVATION(PRODUCTS)
#undef PRODUCTS
            return;
        }
        if (!B) NAME(turn)(width, K, W, w->columns, turned);
        NAME(multiply)(n, K, VECTORS, e, w->columns, 1, B ? B : turned, PANEL, to, PANEL, 1);
    } else {
        const NAME(hidden) *next = of + 1;
        for (int64_t Q = 0; Q < next->panels; Q++) {
            const int64_t some = MIN(PANEL, K - Q * PANEL), panel = q * next->panels + Q;
            if (!B) NAME(turn)(width, some, next->W + (panel * above->in + P * PANEL) * PANEL, PANEL, turned);
            NAME(multiply)(n, some, VECTORS, next->delta + panel * p->batch * PANEL, PANEL, 1, B ? B + Q * PANEL * PANEL : turned,
                           PANEL, to, PANEL, Q == 0);
        }
    }
#define SLOPES(F)                                                                                                      \
    for (int64_t i = 0; i < n; i++)                                                                                    \
        for (int64_t t = 0; t < PANEL; t++) {                                                                          \
            to[i * PANEL + t] *= NAME(df)(F, p->leak, h[i * PANEL + t]);                                               \
            total[t] += to[i * PANEL + t];                                                                             \
        }
    BY_ACTIVATION(SLOPES)
#undef SLOPES
}

/* The update of biases and of output weights, which are few. */
ONCE void NAME(update_few)(NAME(hyperparameters) o, REAL lr, int64_t count, const REAL *g, REAL *w, REAL *s0, REAL *s1) {
    NAME(update_run)(o, lr, count, g, w, s0, s1);
}

/* Update the rows of the output weights that belong to panel P of the last hidden layer, whose activations are h; with the first
 * panel the biases. */
FN void NAME(update_outputs)(const NAME(pass) *p, const NAME(work) *w, NAME(hyperparameters) o, int64_t r, int64_t q, int64_t P,
                             int64_t n, const REAL *e, const REAL *h, REAL *g) {
    const NAME(layer) *of = p->layers + p->depth - 1;
    const int64_t width = MIN(PANEL, of->in - P * PANEL), at = (q * w->strips * STRIP + P * PANEL) * w->columns;
    if (of->learn_W) {
        if (of->out == 1) {
            memset(g, 0, sizeof(REAL) * PANEL);
            for (int64_t i = 0; i < n; i++)
                for (int64_t t = 0; t < PANEL; t++) g[t] += h[i * PANEL + t] * e[i];
        } else
            NAME(multiply)(width, n, w->columns / LANES, h, 1, PANEL, e, w->columns, g, w->columns, 1);
        NAME(update_few)(o, of->lr_W[r], width * w->columns, g, w->W + at, w->s0 ? w->s0 + at : NULL, w->s1 ? w->s1 + at : NULL);
    }
    if (of->learn_b && P == 0) {
        memset(g, 0, sizeof(REAL) * (size_t)w->columns);
        for (int64_t i = 0; i < n; i++)
            for (int64_t c = 0; c < of->out; c++) g[c] += e[i * w->columns + c];
        const int64_t b = r * of->out;
        NAME(update_few)(o, of->lr_b[r], of->out, g, of->b + b, of->b_s0 ? of->b_s0 + b : NULL, of->b_s1 ? of->b_s1 + b : NULL);
    }
}

/* Delta of a panel of hidden layer l at step s - 1, from e or from delta of the layer above; the updates of its biases and of the
 * output weights that belong to it. Written to `to`; `sums` gets its
 * column sums, times shift for stacked digits. */
ONCE void NAME(learn)(const NAME(pass) *p, const NAME(work) *w, NAME(hyperparameters) o, int64_t s, int64_t l, int64_t r, int64_t q,
                    int64_t P, int64_t n, REAL *to, REAL *sums, const NAME(own) *own) {
    const NAME(hidden) *layer = w->layer + l;
    const NAME(layer) *of = p->layers + l;
    const REAL *h = layer->h[(s + 1) & 1] + (q * layer->panels + P) * p->batch * PANEL;
    REAL total[PANEL] = {0};
    if (l >= p->first) NAME(deltas)(p, w, l, q, P, n, own->e, h, to, total, own->turned);
    if (l == p->depth - 2) NAME(update_outputs)(p, w, o, r, q, P, n, own->e + q * p->batch * w->columns, h, own->g);
    for (int64_t t = 0; t < PANEL; t++) sums[t] = !l && p->from ? p->shift * total[t] : total[t];
    if (of->learn_b) {
        const int64_t b = r * of->out + P * PANEL;
        NAME(update_few)(o, of->lr_b[r], MIN(PANEL, of->out - P * PANEL), total, of->b + b, of->b_s0 ? of->b_s0 + b : NULL,
                         of->b_s1 ? of->b_s1 + b : NULL);
    }
}

/* Turn the products h of a panel, but for `all` (what all pixels that are zero add, and the bias), into activations. */
FN void NAME(activate)(const NAME(pass) *p, int64_t n, const REAL *all, REAL *h) {
#define ACTIVATE(F)                                                                                                    \
    for (int64_t i = 0; i < n; i++)                                                                                    \
        for (int64_t t = 0; t < PANEL; t++) h[i * PANEL + t] = NAME(f)(F, p->leak, h[i * PANEL + t] + all[t]);
    BY_ACTIVATION(ACTIVATE)
#undef ACTIVATE
}

/* What panel P of the last hidden layer, whose activations are h, adds to the logits. */
FN void NAME(outputs)(const NAME(pass) *p, const NAME(work) *w, int64_t s, int64_t r, int64_t q, int64_t P, int64_t n, const REAL *h) {
    const NAME(layer) *of = p->layers + p->depth - 1;
    const REAL *W = w->W + (q * w->strips * STRIP + P * PANEL) * w->columns;
    for (int64_t t = 0; t < PANEL; t += STRIP, h += STRIP, W += STRIP * w->columns) {
        const int64_t strip = P * STRIPS + t / STRIP;
        REAL *part = w->part[s & 1] + (q * w->strips + strip) * p->batch * w->columns;
        const REAL *b = of->b && strip == 0 ? of->b + r * of->out : NULL;
        if (of->out == 1) {
#define WEIGH(v) sum += NARROW_AT(h + i * PANEL, v) * NARROW_AT(W, v);
            for (int64_t i = 0; i < n; i++) {
                NAME(narrow) sum = {0};
                REAL z = 0;
                EIGHT(WEIGH)
                for (int64_t v = 0; v < NARROW; v++) z += sum[v];
                part[i] = b ? z + *b : z;
            }
#undef WEIGH
            continue;
        }
        memset(part, 0, sizeof(REAL) * (size_t)(n * w->columns));
        for (int64_t i = 0; b && i < n; i++) memcpy(part + i * w->columns, b, sizeof(REAL) * (size_t)of->out);
        const int64_t units = MIN(STRIP, of->in - strip * STRIP);
        if (units > 0) NAME(multiply)(n, units, w->columns / LANES, h, PANEL, 1, W, w->columns, part, w->columns, 0);
    }
}

/* One panel of hidden layer l in one sweep: the update of step s - 1, and the product of step s. */
ONCE void NAME(sweep)(const NAME(pass) *p, const NAME(work) *w, NAME(hyperparameters) o, int64_t s, int64_t l, int64_t before, int64_t n,
                    int64_t first_replica, int64_t task, const NAME(own) *own) {
    const NAME(hidden) *layer = w->layer + l, *below = layer - 1;
    const NAME(layer) *of = p->layers + l;
    const int64_t q = task / layer->panels, P = task % layer->panels, r = first_replica + q, D = of->in;
    const int64_t digits = !l && p->from, values = !l && p->sparse && p->sparse[p->own_X ? r : 0], sparse = digits || values, learn_W = p->learn && before && of->learn_W, mine = p->own_X ? q * layer->blocks : 0;
    REAL *W = layer->W + task * D * PANEL, *s0 = layer->s0 ? layer->s0 + task * D * PANEL : NULL;
    REAL *s1 = layer->s1 ? layer->s1 + task * D * PANEL : NULL, *h = layer->h[s & 1] + task * p->batch * PANEL;
    REAL *delta = layer->delta ? layer->delta + task * p->batch * PANEL : own->delta;
    REAL sums[PANEL] = {0}, columns[PANEL] = {0};
    const REAL *X = p->X ? p->X + (p->own_X ? r * p->N * D : 0) : NULL;
    const REAL *constants = values ? p->constants + (p->own_X ? r * D : 0) : NULL;
    if (p->learn && before && !layer->delta) NAME(learn)(p, w, o, s, l, r, q, P, before, delta, sums, own);
    if (sparse) memset(h, 0, sizeof(REAL) * PANEL * (size_t)n);
    for (int64_t c = 0; c < layer->blocks; c++) {
        int64_t rows, first = NAME(first_of)(p, layer, l, c, &rows);
        REAL *tile = W + first * PANEL;
        /* The columns of what comes from below that meet these rows, of step s - 1 and of s, and from one example to the next. */
        const int64_t panel = l ? ((q * below->panels + first / PANEL) * p->batch) * PANEL + first % PANEL : 0, row = l ? PANEL : D;
        const REAL *old = l ? below->h[(s + 1) & 1] + panel : sparse ? NULL : X + (s - 1) * p->batch * D + first;
        const REAL *new = l ? below->h[s & 1] + panel : sparse ? NULL : X + s * p->batch * D + first;
        for (int64_t from = 0; learn_W && from < rows; from += CHUNK) {
            const int64_t here = MIN(CHUNK, rows - from), at = (first + from) * PANEL;
            const block_list *list = sparse ? w->list[(s + 2) % 3] + mine + c : NULL;
            if (digits)
                NAME(gradient)(list->by_pixel + from, list->in_pixel, here, p->table, delta, sums, own->g);
            else if (values)
                NAME(gradient_of_values)(list, from, here, constants + first, delta, sums, own->g);
            else
                NAME(multiply)(here, before, VECTORS, old + from, 1, row, delta, PANEL, own->g, PANEL, 1);
            NAME(update_run)(o, of->lr_W[r], here * PANEL, own->g, W + at, s0 ? s0 + at : NULL, s1 ? s1 + at : NULL);
        }
        if (!n) continue;
        const block_list *list = sparse ? w->list[s % 3] + mine + c : NULL;
        if (digits) {
            for (int64_t i = 0; i < rows; i++)
                for (int64_t t = 0; t < PANEL; t++) columns[t] += tile[i * PANEL + t];
            NAME(add)(list->by_example, list->in_example, n, p->table, tile, h);
        } else if (values) {
            for (int64_t i = 0; i < rows; i++)
                for (int64_t t = 0; t < PANEL; t++) columns[t] += constants[first + i] * tile[i * PANEL + t];
            NAME(add_values)(list, n, tile, h);
        } else
            NAME(multiply)(n, rows, VECTORS, new, row, 1, tile, PANEL, h, PANEL, c == 0);
    }
    if (!n) return;
    for (int64_t t = 0; t < PANEL; t++) columns[t] = digits ? p->shift * columns[t] : columns[t];
    if (of->b)
        for (int64_t t = 0; t < MIN(PANEL, of->out - P * PANEL); t++) columns[t] += of->b[r * of->out + P * PANEL + t];
    NAME(activate)(p, n, columns, h);
    if (l == p->depth - 2) NAME(outputs)(p, w, s, r, q, P, n, h);
}

/* From logits z (columns) of one of n examples and its targets its error e (it may be z), and where `loss` is not NULL its loss and
 * whether it is right: as in losses.py. */
FN void NAME(judge)(const NAME(pass) *p, int64_t columns, int64_t n, const REAL *z, const REAL *y, REAL *e, REAL *loss, double *right) {
    const int64_t K = p->layers[p->depth - 1].out;
    REAL sum = 0, total = 0, largest = z[0];
    int64_t top = 0, is = 0, same = 1;
    switch (p->loss) {
    case BCE:
        for (int64_t k = 0; k < K; k++) {
            const REAL Z = z[k], small = LIBM(exp)(Z >= 0 ? -Z : Z);
            e[k] = ((Z >= 0 ? 1 / (1 + small) : small / (1 + small)) - y[k]) / n;
            if (!loss) continue;
            total += (Z > 0 ? Z : 0) - Z * y[k] + LIBM(log1p)(small);
            same &= (Z > 0) == (y[k] > (REAL)0.5);
        }
        break;
    case CROSS_ENTROPY:
        for (int64_t k = 1; k < K; k++) {
            if (z[k] > z[top]) top = k;
            if (y[k] > y[is]) is = k;
            largest = z[k] > largest || z[k] != z[k] ? z[k] : largest; /* NaN stays */
        }
        same = top == is;
        if (loss)
            for (int64_t k = 0; k < K; k++) total -= y[k] * (z[k] - largest);
        for (int64_t k = 0; k < columns; k++) e[k] = NAME(exp_of)(z[k] - largest);
        for (int64_t k = 0; k < K; k++) sum += e[k];
        if (loss) {
            const REAL log_sum = LIBM(log)(sum);
            for (int64_t k = 0; k < K; k++) total += y[k] * log_sum;
        }
        for (int64_t k = 0; k < columns; k++) e[k] = k < K ? (e[k] / sum - y[k]) / n : 0;
        break;
    default:
        same = 0; /* regression has no right answers */
        for (int64_t k = 0; k < K; k++) {
            const REAL off = z[k] - y[k];
            total += off * off;
            e[k] = off / n;
        }
        total /= 2;
    }
    if (loss) *loss = total, *right = (double)same;
}

/* Of n examples of replica q of a group those from `begin` to `end`: their errors, from the strips' parts of their logits. */
ONCE void NAME(errors)(const NAME(pass) *p, const NAME(work) *w, int64_t s, int64_t n, int64_t r, int64_t q, int64_t begin, int64_t end,
                     REAL *e, int keep) {
    const int64_t columns = w->columns, outputs = p->layers[p->depth - 1].out, at = q * p->batch, size = (end - begin) * columns;
    const REAL *part = w->part[s & 1] + (q * w->strips * p->batch + begin) * columns;
    const REAL *y = p->y + ((p->own_y ? r * p->N : 0) + s * p->batch) * outputs;
    REAL *z = e + (at + begin) * columns;
    memset(z, 0, sizeof(REAL) * (size_t)size);
    for (int64_t t = 0; t < w->strips; t++)
        for (int64_t c = 0; c < size; c++) z[c] += part[t * p->batch * columns + c];
    for (int64_t i = begin; i < end; i++, z += columns)
        NAME(judge)(p, columns, n, z, y + i * outputs, z, keep ? w->loss + at + i : NULL, w->right + at + i);
}

/* Write list c, of a block of the first layer, for step s. */
ONCE void NAME(list)(const NAME(pass) *p, const NAME(work) *w, int64_t first, int64_t s, int64_t c) {
    const int64_t blocks = w->layer[0].blocks, r = p->own_X ? first + c / blocks : 0, n = MIN(p->batch, p->N - s * p->batch);
    const block_list *list = w->list[s % 3] + c;
    int64_t rows;
    if (p->from)
        list_block(p->from, p->picks + (r * p->N + s * p->batch) * p->k, n, p->k, c % blocks, list);
    else if (p->sparse[r]) {
        const int64_t D = p->layers[0].in, from = NAME(first_of)(p, w->layer, 0, c % blocks, &rows);
        NAME(list_values)(p->X + (r * p->N + s * p->batch) * D + from, D, n, rows, p->constants + r * D + from, list);
    }
}

/* Copy the weights of a group of replicas and their states to where the pass keeps them, or (`back`) from there: task by task, one
 * for each panel of a hidden layer and replica, then one for the output weights of each. */
ONCE void NAME(move)(const NAME(pass) *p, const NAME(work) *w, int64_t first, int64_t l, int64_t task, int back) {
    const NAME(layer) *of = p->layers + l;
    if (back && !of->learn_W) return;
    if (l == p->depth - 1) {
        const int64_t user = (first + task) * of->in * of->out, here = task * w->strips * STRIP * w->columns;
        REAL *const theirs[] = {of->W, of->W_s0, of->W_s1}, *const ours[] = {w->W, w->s0, w->s1};
        for (int i = 0; i < 3; i++) {
            if (ours[i] && back) NAME(from_rows)(w, of->in, of->out, ours[i] + here, theirs[i] + user);
            if (ours[i] && !back) NAME(into_rows)(w, of->in, of->out, theirs[i] + user, ours[i] + here);
        }
        return;
    }
    const NAME(hidden) *layer = w->layer + l;
    const int64_t q = task / layer->panels, P = task % layer->panels, here = task * of->in * PANEL;
    REAL *const theirs[] = {of->W, of->W_s0, of->W_s1}, *const ours[] = {layer->W, layer->s0, layer->s1};
    for (int i = 0; i < 3; i++) {
        const int64_t user = (first + q) * of->in * of->out;
        if (ours[i] && back) NAME(from_panel)(of->in, of->out, P, ours[i] + here, theirs[i] + user);
        if (ours[i] && !back) NAME(into_panel)(of->in, of->out, P, theirs[i] + user, ours[i] + here);
    }
    if (layer->B && !back && (of->own_B || q == 0)) {
        const int64_t K = NAME(signals)(p, l);
        NAME(into_panel)(K, of->out, P, of->B + (of->own_B ? first + q : 0) * K * of->out, layer->B + task * K * PANEL);
    }
}

/* Train for (or with learn = 0: test on) N examples, `batch` at a time, in `room`, of the size that dfanp_room returns. */
EXPORT void NAME(dfanp_pass)(const NAME(pass) *p, char *room) {
    const int64_t steps = (p->N + p->batch - 1) / p->batch, hidden = p->depth - 1;
    NAME(work) layout, *w = &layout;
    const uintptr_t begin = ((uintptr_t)room + LINE - 1) / LINE * LINE, end = NAME(lay_out)(p, w, begin);
    int64_t work = 0;
    for (int64_t l = 0; l < p->depth; l++) work += p->batch * p->layers[l].in * p->layers[l].out * w->group;
    memset(p->totals, 0, sizeof(double) * 2 * (size_t)p->R);
    for (int64_t first = 0; first < p->R; first += w->group) {
        const int64_t group = MIN(w->group, p->R - first);
        const int64_t lists = w->lists ? (p->own_X ? group : 1) * w->layer[0].blocks : 0;
#pragma omp parallel if (work > WORTH_A_TEAM && work * steps > WORTH_WAKING) TEAM(p->threads)
        {
            REAL *mine = w->own + omp_get_thread_num() * w->own_size;
            NAME(own) own = {.e = w->e ? w->e : mine, .delta = mine + (w->e ? 0 : UP(w->group * p->batch * w->columns))};
            own.g = own.delta + UP(p->batch * PANEL);
            own.turned = own.g + UP(CHUNK_SIZE);
            for (int64_t l = 0; l < p->depth; l++) {
                const int64_t tasks = group * (l < hidden ? w->layer[l].panels : 1);
#pragma omp for schedule(static) nowait
                for (int64_t task = 0; task < tasks; task++) NAME(move)(p, w, first, l, task, 0);
            }
#pragma omp for schedule(static)
            for (int64_t c = 0; c < lists; c++) NAME(list)(p, w, first, 0, c);
            for (int64_t s = 0; s <= steps; s++) {
                const int64_t before = s ? MIN(p->batch, p->N - (s - 1) * p->batch) : 0;
                const int64_t n = s < steps ? MIN(p->batch, p->N - s * p->batch) : 0;
                NAME(hyperparameters) o = p->o;
                if (s && p->corrections) {
                    o.correction1 = p->corrections[2 * s - 2];
                    o.correction2 = p->corrections[2 * s - 1];
                }
                const int keep = w->e || !omp_get_thread_num();
                if (w->e) {
                    const int64_t pieces = (before + CHUNK - 1) / CHUNK;
#pragma omp for schedule(static)
                    for (int64_t c = 0; c < group * pieces; c++) {
                        const int64_t q = c / pieces, begin = c % pieces * CHUNK;
                        NAME(errors)(p, w, s - 1, before, first + q, q, begin, MIN(begin + CHUNK, before), own.e, keep);
                    }
                } else
                    for (int64_t q = 0; q < group && before; q++)
                        NAME(errors)(p, w, s - 1, before, first + q, q, 0, before, own.e, keep);
                for (int64_t i = 0; i < group * before && !omp_get_thread_num(); i++) {
                    double *totals = p->totals + 2 * (first + i / before);
                    totals[0] += w->loss[i / before * p->batch + i % before];
                    totals[1] += w->right[i / before * p->batch + i % before];
                }
                for (int64_t l = hidden - 1; l > 0 && before; l--) {
                    const NAME(hidden) *layer = w->layer + l;
                    if (!layer->delta) continue;
#pragma omp for schedule(dynamic)
                    for (int64_t task = 0; task < group * layer->panels; task++) {
                        const int64_t q = task / layer->panels;
                        REAL sums[PANEL];
                        NAME(learn)(p, w, o, s, l, first + q, q, task % layer->panels, before, layer->delta + task * p->batch * PANEL,
                                    sums, &own);
                    }
                }
                for (int64_t l = 0; l < hidden; l++) {
#pragma omp for schedule(dynamic) nowait
                    for (int64_t task = 0; task < group * w->layer[l].panels; task++)
                        NAME(sweep)(p, w, o, s, l, before, n, first, task, &own);
                    if (l == 0 && s + 1 < steps) {
#pragma omp for schedule(dynamic) nowait
                        for (int64_t c = 0; c < lists; c++) NAME(list)(p, w, first, s + 1, c);
                    }
#pragma omp barrier
                }
            }
            for (int64_t l = 0; l < p->depth && p->learn; l++) {
                const int64_t tasks = group * (l < hidden ? w->layer[l].panels : 1);
#pragma omp for schedule(static) nowait
                for (int64_t task = 0; task < tasks; task++) NAME(move)(p, w, first, l, task, 1);
            }
        }
    }
    UNPOISON(begin, end);
}

#undef STRIPS
#undef CHUNK_SIZE
#undef TURNED_SIZE
#undef UP
#undef BY_ACTIVATION
