/* SPDX-License-Identifier: MIT */
/* The grinder: an odometer whose digits are the places of the cuts, which never decrease. */
#include <weir/test/grinder.h>

void weir_grinder_init_const(weir_grinder *grinder, const void *data, size_t size, size_t count_max,
                             size_t step)
{
    WEIR_ASSERT(count_max > 0 && count_max <= WEIR_GRINDER_MAX,
                "a grinder makes 1 to WEIR_GRINDER_MAX buffers");
    WEIR_ASSERT(step > 0, "a grinder goes on from cut to cut");

    grinder->bytes = weir_const_buffer_of(data, size);
    grinder->writable = NULL;
    grinder->count = 0;
    grinder->count_max = count_max;
    grinder->step = step;
}

void weir_grinder_init(weir_grinder *grinder, void *data, size_t size, size_t count_max,
                       size_t step)
{
    weir_grinder_init_const(grinder, data, size, count_max, step);
    grinder->writable = data;
}

/* Let the buffers from here on be empty, at the place of this cut; the last has the rest. */
static void fold(weir_grinder *grinder, size_t first, size_t cut)
{
    size_t i;

    for (i = first; i + 1 < grinder->count; i++)
        grinder->cuts[i] = cut;
    grinder->cuts[grinder->count - 1] = grinder->bytes.size;
}

/* Move the last cut that can be moved, and those behind it to the same place. */
static bool turn(weir_grinder *grinder)
{
    size_t size = grinder->bytes.size;
    size_t i;

    for (i = grinder->count - 1; i-- > 0;) {
        size_t cut = grinder->cuts[i];

        if (cut < size) {
            fold(grinder, i, grinder->step < size - cut ? cut + grinder->step : size);
            return true;
        }
    }
    return false;
}

static void cut(weir_grinder *grinder)
{
    size_t begin = 0;
    size_t i;

    for (i = 0; i < grinder->count; i++) {
        size_t size = grinder->cuts[i] - begin;

        grinder->const_buffers[i] =
            weir_const_buffer_of((const char *)grinder->bytes.data + begin, size);
        if (grinder->writable)
            grinder->buffers[i] = weir_buffer_of(grinder->writable + begin, size);
        begin = grinder->cuts[i];
    }
}

bool weir_grinder_next(weir_grinder *grinder)
{
    if (grinder->count == 0 || !turn(grinder)) {
        if (grinder->count == grinder->count_max)
            return false;
        grinder->count++;
        fold(grinder, 0, 0);
    }
    cut(grinder);
    return true;
}
