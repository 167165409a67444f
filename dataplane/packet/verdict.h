/* SPDX-License-Identifier: BSD-3-Clause */
/* What may happen to a frame, and why a frame was dropped: one list for code, stats and metrics. */
#ifndef PACKET_VERDICT_H
#define PACKET_VERDICT_H

#include <stdbool.h>
#include <stdint.h>

enum verdict {
	VERDICT_DROP,	 /* free it, count reason */
	VERDICT_KERNEL,	 /* write it to the kernel port */
	VERDICT_WIRE,	 /* send it out of the NIC as it is now */
	VERDICT_ANSWER,	 /* rewritten in place into an answer for a VIP: send it while leased */
	VERDICT_CONTROL, /* hand it to the control thread, as `event` */
	VERDICT_COUNT,
};

/* What a frame with VERDICT_CONTROL means to the control thread. */
enum packet_event {
	PACKET_EVENT_HEARTBEAT, /* EtherType 0x88B5; not yet authenticated */
	PACKET_EVENT_GATEWAY,	/* ARP reply or NA sent by a configured gateway */
	PACKET_EVENT_CONFLICT,	/* ARP, NA or NS in which a foreign MAC states an owned VIP */
};

/* X(NAME, "text in stats, metrics and capture comments") */
#define DROP_REASONS(X)                                                                            \
	X(RUNT, "runt")			    /* shorter than its headers say */                     \
	X(OVERSIZED, "oversized")	    /* longer than the MTU allows */                       \
	X(FOREIGN_MAC, "foreign_mac")	    /* unicast to a MAC that is not ours */                \
	X(BAD_SOURCE_MAC, "bad_source_mac") /* group, zero or our own source MAC */                \
	X(MAC_MISMATCH, "mac_mismatch")	    /* group MAC with unicast IP */                        \
	X(WRONG_VLAN, "wrong_vlan")                                                                \
	X(QINQ, "qinq")                                                                            \
	X(UNKNOWN_ETHERTYPE, "unknown_ethertype")                                                  \
	X(ARP_MALFORMED, "arp_malformed")                                                          \
	X(ARP_NOT_OURS, "arp_not_ours")	  /* asks for an address this node lacks */                \
	X(ARP_NOT_OWNED, "arp_not_owned") /* asks for a VIP of the group, held elsewhere */        \
	X(ARP_CONFLICT, "arp_conflict")	  /* a foreign MAC states our VIP */                       \
	X(ND_MALFORMED, "nd_malformed")                                                            \
	X(ND_NOT_OURS, "nd_not_ours")                                                              \
	X(ND_NOT_OWNED, "nd_not_owned")                                                            \
	X(ND_CONFLICT, "nd_conflict")                                                              \
	X(ND_FRAGMENT, "nd_fragment") /* RFC 6980 */                                               \
	X(IP_MALFORMED, "ip_malformed")                                                            \
	X(IP_OPTIONS, "ip_options")		    /* source routes */                            \
	X(EXTENSION_HEADERS, "extension_headers")   /* more than four, or routing type 0 */        \
	X(BAD_CHECKSUM, "bad_checksum")		    /* IPv4, TCP, UDP or ICMP checksum */          \
	X(BAD_SOURCE_ADDRESS, "bad_source_address") /* group, loopback or a VIP as source */       \
	X(NOT_OUR_ADDRESS, "not_our_address")	    /* IP for neither a VIP nor this node */       \
	X(CLOSED_PORT, "closed_port")		    /* VIP port that no Service has */             \
	X(SOURCE_RANGE, "source_range")		    /* outside loadBalancerSourceRanges */         \
	X(ICMP_IGNORED, "icmp_ignored")		    /* ICMP to a VIP that nothing asked for */     \
	X(FRAGMENT, "fragment")			    /* fragment policer, or unknown flow */        \
	X(POLICED, "policed")			    /* a policer's budget is used up */            \
	X(NO_LEASE, "no_lease")			    /* an answer that the lease did not cover */   \
	X(HEARTBEAT_MALFORMED, "heartbeat_malformed")                                              \
	X(GUARD_ARP, "guard_arp")	      /* the kernel spoke ARP for a VIP */                 \
	X(GUARD_ND, "guard_nd")		      /* the kernel spoke ND for a VIP */                  \
	X(GUARD_MALFORMED, "guard_malformed") /* unusable frame from the kernel */                 \
	X(EVENT_QUEUE_FULL, "event_queue_full")                                                    \
	X(TX_FULL, "tx_full")	      /* the NIC took no more */                                   \
	X(KERNEL_FULL, "kernel_full") /* the kernel port took no more */                           \
	X(NO_MBUF, "no_mbuf")

enum drop_reason {
#define X(name, text) DROP_##name,
	DROP_REASONS(X)
#undef X
		DROP_REASON_COUNT,
};

/* The text of a reason, a static string. reason < DROP_REASON_COUNT. */
const char *drop_reason_name(enum drop_reason reason);

/* A frame's fate. Only the worker loop acts on it. */
struct packet_verdict {
	uint8_t verdict;  /* enum verdict */
	uint8_t reason;	  /* enum drop_reason, when dropped */
	uint8_t event;	  /* enum packet_event, when for control */
	uint8_t answered; /* enum packet_answer, when answered: for the counters */
	/*
	 * With VERDICT_KERNEL only: the frame goes to the kernel port, and a copy of its bytes goes
	 * to the control thread as `event`. A gateway's answer is awaited by both: the kernel's
	 * neighbour table, and the gateway probe that the lease may rest on.
	 */
	bool copy_to_control;
};

enum packet_answer {
	PACKET_ANSWER_NONE,
	PACKET_ANSWER_ARP,
	PACKET_ANSWER_NDP,
	PACKET_ANSWER_ECHO,
};

#endif
