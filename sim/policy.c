/* SPDX-License-Identifier: MIT
 *
 * The table of policies: what berth sim knows, in the order in which it shows them.
 */
#include "sim/policy.h"

#include <string.h>

const struct sim_policy *const sim_policies[] = {
	&sim_policy_legacy,
	&sim_policy_legacy_random,
	&sim_policy_legacy_first_fit,
	&sim_policy_sp1,
	&sim_policy_berth,
	&sim_policy_berth_both_ends,
	&sim_policy_rfc6056_1,
	&sim_policy_rfc6056_2,
	&sim_policy_rfc6056_3,
	&sim_policy_rfc6056_4,
	&sim_policy_rfc6056_5,
	&sim_policy_linux_connect,
	&sim_policy_linux_bind,
	&sim_policy_linux_bind_reuse,
	&sim_policy_freebsd,
	&sim_policy_openbsd,
	&sim_policy_lwip,
	&sim_policy_haproxy,
	&sim_policy_nat_ten_tries,
	NULL,
};

const struct sim_policy *sim_policy_find(const char *name)
{
	for (size_t i = 0; sim_policies[i] != NULL; i++)
		if (strcmp(sim_policies[i]->name, name) == 0)
			return sim_policies[i];
	return NULL;
}
