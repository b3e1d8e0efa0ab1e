/* SPDX-License-Identifier: MIT */
#include "cli/demo_judge.h"

unsigned demo_room(const struct demo_load *load)
{
	unsigned tuples = load->ports * load->destinations;

	return load->attempts < tuples ? load->attempts : tuples;
}

unsigned demo_slack(const struct demo_load *load)
{
	unsigned tuples = load->ports * load->destinations;

	return load->attempts < tuples ? 0 : tuples / 400;
}

bool demo_held(const struct demo_load *load, const struct demo_count *stock, const struct demo_count *berth)
{
	return berth->made + demo_slack(load) >= demo_room(load) && berth->made >= stock->made &&
	       berth->made + berth->failed == load->attempts && berth->outside_range == 0;
}
