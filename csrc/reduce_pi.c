/* reduce_pi.c: the argument reduction of sin and cos for large angles (Payne and Hanek's), in
 * integers: the same bits everywhere. Called by vtrig.inc.h for single lanes. */
#include "vtrig.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef unsigned __int128 u128;

/* 64 zero bits, then the binary digits of 1 / pi: 1280 of them, since doubles reach 2^1024. */
static const uint64_t inverse_pi[21] = {
    0x0000000000000000, 0x517cc1b727220a94, 0xfe13abe8fa9a6ee0, 0x6db14acc9e21c820,
    0xff28b1d5ef5de2b0, 0xdb92371d2126e970, 0x0324977504e8c90e, 0x7f0ef58e5894d39f,
    0x74411afa975da242, 0x74ce38135a2fbf20, 0x9cc8eb1cc1a99cfa, 0x4e422fc5defc941d,
    0x8ffc4bffef02cc07, 0xf79788c5ad05368f, 0xb69b3f6793e584db, 0xa7a31fb34f2ff516,
    0xba93dd63f5f2f8bd, 0x9e839cfbc5294975, 0x35fdafd88fc6ae84, 0x2b0198237e3db5d5,
    0xf867de104d7a1b0e};

/* r with x = k pi / 2 + r, |r| <= pi / 4, to double precision; *quadrant = k mod 4. For finite
 * |x| >= 1. */
double tg_reduce_pi(double x, int *quadrant)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    const int exponent = (int)(bits >> 52 & 2047) - 1075;
    const uint64_t m = (bits & (((uint64_t)1 << 52) - 1)) | (uint64_t)1 << 52;

    /* |x| / pi mod 2 as a number of 2^-191: m times the 192 digits of 1 / pi that count. Those to
     * their left make multiples of 2, those to their right less than 2^-138. */
    const unsigned first = (unsigned)(63 + exponent), word = first / 64, shift = first % 64;
    uint64_t digits[3];
    for (unsigned i = 0; i < 3; ++i)
        digits[i] = inverse_pi[word + i] << shift |
                    (shift ? inverse_pi[word + i + 1] >> (64 - shift) : 0);
    const u128 low = (u128)m * digits[2];
    const u128 middle = (u128)m * digits[1] + (uint64_t)(low >> 64);
    const uint64_t high = m * digits[0] + (uint64_t)(middle >> 64);

    /* Its first two bits are the quadrant of |x|; the rest, signed, is r in units of pi / 2. */
    unsigned k = (unsigned)(high >> 62);
    u128 fraction = ((u128)high << 64 | (uint64_t)middle) << 2 | (uint64_t)low >> 62;
    const bool is_above = fraction >> 127;
    if (is_above) {
        ++k;
        fraction = -fraction;
    }
    const uint64_t half_pi_63 = 0xc90fdaa22168c235; /* pi / 2 in units of 2^-63 */
    const uint64_t top = (uint64_t)(fraction >> 64);
    const int zeros = top ? __builtin_clzll(top) : 64;
    const u128 product = (u128)(uint64_t)(fraction << zeros >> 64) * half_pi_63;
    bits = (uint64_t)(1023 - 63 - zeros) << 52;
    double scale;
    memcpy(&scale, &bits, sizeof scale);
    const double r = (double)(uint64_t)(product >> 64) * scale;
    *quadrant = (int)((x < 0 ? -k : k) & 3);
    return is_above != (x < 0) ? -r : r;
}
